//! The caller's identity and profile: `/-/whoami` and `/-/npm/v1/user`.

use axum::body::Body;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::App;
use super::answer::{Answer, Refusal};
use super::body;
use super::caller::Caller;
use crate::password::Password;
use crate::profile::Profile;
use crate::tokens::TokenRecord;

pub async fn whoami(caller: Caller) -> Answer {
    Answer::ok(json!({ "username": caller.user.as_str() }))
}

pub async fn get(State(app): State<App>, caller: Caller) -> Result<Answer, Refusal> {
    let profile = app.store.profile(&caller.user).await?;
    Ok(Answer::ok(shown(&caller.token, &profile)))
}

/// Sets the fields that are sent; `password` is `{"old": ..., "new": ...}`.
pub async fn set(State(app): State<App>, caller: Caller, body: Body) -> Result<Answer, Refusal> {
    caller.may_write()?;
    let mut fields: Map<String, Value> = body::json(body).await?;
    let change = fields.remove("password").map(change).transpose()?;
    if fields.contains_key("tfa") {
        return Err(Refusal::bad_request(
            "this service does not support two-factor authentication",
        ));
    }
    let mut profile = app.store.profile(&caller.user).await?;
    for (key, value) in &fields {
        profile.set(key, value).map_err(Refusal::bad_request)?;
    }
    if let Some((old, new)) = change {
        app.check_password(&caller.user, &old, caller.address).await?;
        let hash = app.hasher.hash(&new).await?;
        // Revoked before the change, so that a failure in between leaves no valid token of the
        // old password, and again afterwards for a login that was running meanwhile.
        let before = app.store.revoke_others(&caller.user, &caller.token.id).await?;
        app.store.set_hash(&caller.user, &hash).await?;
        let after = app.store.revoke_others(&caller.user, &caller.token.id).await?;
        app.counters.revocations.inc_by(before.saturating_add(after));
        tracing::info!(user = caller.user.as_str(), "a password was changed");
    }
    if !fields.is_empty() {
        app.store.set_profile(&caller.user, &profile).await?;
    }
    Ok(Answer::ok(shown(&caller.token, &profile)))
}

fn change(value: Value) -> Result<(Password, Password), Refusal> {
    #[derive(Deserialize)]
    struct Change {
        old: String,
        new: String,
    }
    let change: Change = serde_json::from_value(value)
        .map_err(|_| Refusal::bad_request("`password` must have `old` and `new`"))?;
    let old = Password::new(change.old).map_err(Refusal::bad_request)?;
    let new = Password::new(change.new).map_err(Refusal::bad_request)?;
    Ok((old, new))
}

/// The fields that the reference service returns, and the others if they are set.
fn shown(token: &TokenRecord, profile: &Profile) -> Value {
    let mut shown = json!({
        "name": token.user,
        "email": profile.email,
        "email_verified": false,
        "tfa": false,
        "fullname": profile.fullname,
        "cidr_whitelist": null,
    });
    for (key, value) in [
        ("homepage", &profile.homepage),
        ("freenode", &profile.freenode),
        ("twitter", &profile.twitter),
        ("github", &profile.github),
    ] {
        if !value.is_empty() {
            shown[key] = json!(value);
        }
    }
    shown
}
