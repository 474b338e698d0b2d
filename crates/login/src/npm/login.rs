//! `PUT /-/user/org.couchdb.user:NAME`: registers a user, or logs one in.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::body;
use super::caller::Address;
use super::{App, Service};
use crate::name::Username;
use crate::password::{Busy, Password};
use crate::profile::Profile;
use crate::store::Registered;
use crate::tokens::Terms;
use demo_service::peer::network;

const ID: &str = "org.couchdb.user:";

/// The used part of what the clients send. It has no `Debug`, since it has a password.
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
    let Path(id) = id.map_err(|_| Refusal::bad_request("the user name is not valid UTF-8"))?;
    let Some(name) = id.strip_prefix(ID) else {
        return Err(Refusal::not_found(format!("the path of a user is `/-/user/{ID}NAME`")));
    };
    let user: Username = name.parse().map_err(|bad| Refusal::bad_request(format!("{bad}")))?;
    let request: Request = body::json(body).await?;
    if request.name.as_deref().is_some_and(|name| name != user.as_str()) {
        return Err(Refusal::bad_request("the names in the path and in the body differ"));
    }
    let password =
        request.password.ok_or_else(|| Refusal::bad_request("the password is missing"))?;
    let password = Password::new(password).map_err(Refusal::bad_request)?;
    let mut profile = Profile::default();
    if let Some(email) = request.email {
        profile.set("email", &json!(email)).map_err(Refusal::bad_request)?;
    }

    let attempt = app.throttle.attempt(&user, address).await;
    let attempt = attempt.map_err(|slowed| app.slowed(slowed))?;
    // Both queries run for every name, so that the time does not show which names exist.
    let (hash, room) = tokio::join!(app.store.hash_of(&user), has_room(&app));
    let (mut hash, room) = (hash?, room?);
    if hash.is_none() && room {
        match register(&app, &user, address, &password, &profile).await? {
            (Registered::Done, hash) => {
                attempt.succeeded();
                return welcome(&app, &user, &hash, format!("user '{user}' created")).await;
            }
            // The answer is the one of a full registry, which takes one hash, too.
            (Registered::Full, _) => return Err(app.failed(attempt)),
            // Another request registered the name first; the same password is a login.
            (Registered::Taken, _) => hash = app.store.hash_of(&user).await?,
        }
    }
    let hash = app.verify(attempt, address, &password, hash).await?;
    app.counters.logins.inc();
    welcome(&app, &user, &hash, format!("you are authenticated as '{user}'")).await
}

/// Whether registration is possible now. If it is not, an unknown name gets the answer of a
/// wrong password: otherwise clients could find out which names exist.
async fn has_room(app: &Service) -> Result<bool, Refusal> {
    let Some(most) = app.max_users else { return Ok(false) };
    Ok(app.store.count_users().await? < most)
}

/// Registers a user. Returns the result and the hash of the password. The limits are checked
/// before the hash is computed.
async fn register(
    app: &Service,
    user: &Username,
    address: IpAddr,
    password: &Password,
    profile: &Profile,
) -> Result<(Registered, String), Refusal> {
    if !user.is_lower_case() {
        return Err(Refusal::bad_request("the name of a new user must be in lower case"));
    }
    app.registrations.admit(&network(address)).map_err(Refusal::too_many_registrations)?;
    let hash = app.hasher.hash_for_stranger(address, password).await;
    let hash = hash.map_err(|Busy| Refusal::crowded())?;
    let most = app.max_users.unwrap_or_default();
    let done = app.store.register(user, &hash, profile, most).await?;
    if done == Registered::Done {
        app.counters.registrations.inc();
        tracing::info!(user = user.as_str(), "a user was registered");
    }
    Ok((done, hash))
}

/// Creates a token for every login, as the reference service does.
async fn welcome(
    app: &Service,
    user: &Username,
    hash: &str,
    ok: String,
) -> Result<Answer, Refusal> {
    let (token, _) = app.issue(user, hash, Terms::default()).await?;
    Ok(Answer::created(json!({ "ok": ok, "id": format!("{ID}{user}"), "token": token.expose() })))
}
