//! `PUT /-/user/org.couchdb.user:NAME`: registers a user, or logs one in.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::body;
use super::caller::Address;
use super::{App, Service};
use crate::shared_auth::name::Username;
use crate::shared_auth::password::Password;
use crate::shared_auth::profile::Profile;
use crate::shared_auth::store::Registered;
use crate::shared_auth::tokens::{Terms, TokenRecord};

const ID: &str = "org.couchdb.user:";

/// What the clients send, as far as it matters. There is no `Debug`: it has a password.
#[derive(Deserialize)]
pub struct Request {
    name: Option<String>,
    password: Option<String>,
    email: Option<String>,
}

pub async fn put(
    State(app): State<App>,
    Address(address): Address,
    id: Result<Path<String>, PathRejection>,
    body: Body,
) -> Result<Answer, Refusal> {
    let Path(id) = id.map_err(|_| Refusal::bad_request("the user name is no text"))?;
    let Some(name) = id.strip_prefix(ID) else {
        return Err(Refusal::not_found(format!("users are at `/-/user/{ID}NAME`")));
    };
    let user: Username = name.parse().map_err(|bad| Refusal::bad_request(format!("{bad}")))?;
    let request: Request = body::json(body).await?;
    if request.name.as_deref().is_some_and(|name| name != user.as_str()) {
        return Err(Refusal::bad_request("the names in the address and in the body differ"));
    }
    let password = request.password.ok_or_else(|| Refusal::bad_request("there is no password"))?;
    let password = Password::new(password).map_err(Refusal::bad_request)?;
    let mut profile = Profile::default();
    if let Some(email) = request.email {
        profile.set("email", &json!(email)).map_err(Refusal::bad_request)?;
    }

    let attempt = app.throttle.attempt(&user, address).await;
    let attempt = attempt.map_err(|slowed| app.slowed(slowed))?;
    let mut hash = app.store.hash_of(&user).await?;
    if hash.is_none() {
        if register(&app, &user, &password, &profile).await? == Registered::Done {
            drop(attempt);
            return welcome(&app, &user, format!("user '{user}' created")).await;
        }
        // Somebody was faster; with the same password it is a login.
        hash = app.store.hash_of(&user).await?;
    }
    if !app.hasher.verify(&password, hash.as_deref()).await? {
        attempt.failed();
        app.counters.failed_logins.inc();
        return Err(Refusal::wrong_password());
    }
    drop(attempt);
    app.counters.logins.inc();
    welcome(&app, &user, format!("you are authenticated as '{user}'")).await
}

/// `Done` or `Taken`.
async fn register(
    app: &Service,
    user: &Username,
    password: &Password,
    profile: &Profile,
) -> Result<Registered, Refusal> {
    let Some(most) = app.max_users else {
        let detail = "there is no such user, and registration is closed: \
                      `auth.htpasswd.max_users` must be a positive number";
        return Err(Refusal::forbidden("registration-closed", detail));
    };
    if !user.is_lower_case() {
        return Err(Refusal::bad_request("the name of a new user must be in lower case"));
    }
    let hash = app.hasher.hash(password).await?;
    let done = app.store.register(user, &hash, profile, most).await?;
    match done {
        Registered::Full => {
            let detail = format!(
                "there is no such user, and there are as many as there may be: \
                 `auth.htpasswd.max_users` is {most}"
            );
            Err(Refusal::forbidden("too-many-users", detail))
        }
        Registered::Done => {
            app.counters.registrations.inc();
            tracing::info!(user = user.as_str(), "a user was registered");
            Ok(done)
        }
        Registered::Taken => Ok(done),
    }
}

/// A token is made for every login, as the oracle does.
async fn welcome(app: &Service, user: &Username, ok: String) -> Result<Answer, Refusal> {
    let (token, record) = TokenRecord::issue(user, Terms::default())?;
    app.store.add_token(&record).await?;
    Ok(Answer::created(json!({ "ok": ok, "id": format!("{ID}{user}"), "token": token.expose() })))
}
