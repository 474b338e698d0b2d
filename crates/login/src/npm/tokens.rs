//! The caller's tokens: list, create, revoke, log out.

use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::answer::{Answer, Refusal};
use super::body;
use super::caller::Caller;
use crate::password::Password;
use crate::tokens::{Presented, Terms, TokenRecord, moment, now};

const DAY: u64 = 24 * 60 * 60;
const MOST_DAYS: u64 = 10 * 365;
const MOST_CIDRS: usize = 50;
const LONGEST_LABEL: usize = 200;

pub async fn list(State(app): State<App>, caller: Caller) -> Result<Answer, Refusal> {
    let tokens = app.store.tokens_of(&caller.user).await?;
    let good = |token: &mut TokenRecord| {
        let end = app.tokens.end_of(token);
        token.expires = Some(end);
        now() < end
    };
    let objects: Vec<Value> = tokens
        .into_iter()
        .filter_map(|mut token| good(&mut token).then(|| described(&token, &token.shown())))
        .collect();
    Ok(Answer::ok(json!({ "objects": objects, "urls": {} })))
}

/// What the clients send: up to npm 11.5 `readonly`, later versions `name`, `expires` and
/// the permissions of the token.
#[derive(Deserialize)]
pub struct Request {
    password: Option<String>,
    name: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(default)]
    readonly: bool,
    #[serde(default)]
    cidr_whitelist: Option<Vec<String>>,
    /// In days.
    expires: Option<u64>,
    packages_and_scopes_permission: Option<String>,
    orgs_permission: Option<String>,
    packages: Option<Value>,
    packages_all: Option<bool>,
    scopes: Option<Value>,
    orgs: Option<Value>,
    #[serde(rename = "bypass_2fa")]
    _bypass_2fa: Option<bool>,
}

pub async fn create(State(app): State<App>, caller: Caller, body: Body) -> Result<Answer, Refusal> {
    caller.may_write()?;
    let mut request: Request = body::json(body).await?;
    let password = request.password.take();
    let password = password.ok_or_else(|| Refusal::bad_request("the password is missing"))?;
    let password = Password::new(password).map_err(Refusal::bad_request)?;
    let terms = request.terms()?;
    let hash = app.check_password(&caller.user, &password, caller.address).await?;
    let (token, record) = app.issue(&caller.user, &hash, terms).await?;
    Ok(Answer::created(described(&record, token.expose())))
}

impl Request {
    fn terms(self) -> Result<Terms, Refusal> {
        // There are no packages here, so such a restriction could not be enforced.
        let narrowed = [&self.packages, &self.scopes, &self.orgs].into_iter().any(Option::is_some);
        if narrowed && self.packages_all != Some(true) {
            let detail = "a token cannot be limited to packages, scopes or organisations";
            return Err(Refusal::bad_request(detail));
        }
        let mut readonly = self.readonly;
        for permission in [&self.packages_and_scopes_permission, &self.orgs_permission] {
            match permission.as_deref() {
                Some("read-only") => readonly = true,
                None | Some("read-write") => {}
                Some(_) => {
                    let detail = "a permission must be `read-only` or `read-write`";
                    return Err(Refusal::bad_request(detail));
                }
            }
        }
        let label = self.name.filter(|name| !name.is_empty());
        if label.as_ref().is_some_and(|label| label.len() > LONGEST_LABEL || label.contains('\0')) {
            return Err(Refusal::bad_request("the name of the token is too long or has a NUL"));
        }
        let lifetime = match self.expires {
            None => None,
            Some(days @ 1..=MOST_DAYS) => Some(Duration::from_secs(days * DAY)),
            Some(_) => {
                let detail = format!("`expires` must be a number of days from 1 to {MOST_DAYS}");
                return Err(Refusal::bad_request(detail));
            }
        };
        let cidrs = networks(&self.cidr_whitelist.unwrap_or_default())?;
        Ok(Terms { label, readonly, cidrs, lifetime })
    }
}

fn networks(texts: &[String]) -> Result<Vec<IpNet>, Refusal> {
    if texts.len() > MOST_CIDRS {
        return Err(Refusal::bad_request(format!("there are more than {MOST_CIDRS} networks")));
    }
    let network = |text: &String| {
        text.parse().map_err(|_| {
            Refusal::bad_request("`cidr_whitelist` must have networks such as 10.0.0.0/8")
        })
    };
    texts.iter().map(network).collect()
}

/// Revokes a token by its key, or by the token itself, which npm sends if it is given one.
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    key: Result<Path<String>, PathRejection>,
) -> Result<Answer, Refusal> {
    caller.may_write()?;
    let key = key.map(|Path(key)| key).unwrap_or_default();
    let token = Presented::parse(&key);
    let id = token.as_ref().map_or(key.as_str(), Presented::id);
    if !app.store.revoke(&caller.user, id).await? {
        return Err(Refusal::not_found("you have no such token"));
    }
    app.counters.revocations.inc();
    Ok(Answer::ok(json!({ "ok": true })))
}

/// Revokes a token. A read-only token may revoke itself, but no other.
pub async fn log_out(
    State(app): State<App>,
    caller: Caller,
    token: Result<Path<String>, PathRejection>,
) -> Result<Answer, Refusal> {
    let token = token.ok().and_then(|Path(token)| Presented::parse(&token));
    let token = token.ok_or_else(|| Refusal::not_found("this is not a token"))?;
    if token.id() != caller.token.id {
        caller.may_write()?;
    }
    if !app.store.revoke(&caller.user, token.id()).await? {
        return Err(Refusal::not_found("you have no such token"));
    }
    app.counters.revocations.inc();
    Ok(Answer::ok(json!({ "ok": true })))
}

fn described(record: &TokenRecord, token: &str) -> Value {
    let mut described = json!({
        "key": record.id,
        "token": token,
        "user": record.user,
        "name": record.label,
        "cidr_whitelist": record.cidrs.iter().map(IpNet::to_string).collect::<Vec<_>>(),
        "readonly": record.readonly,
        "created": moment(record.created),
        "updated": moment(record.created),
    });
    if let Some(expires) = record.expires {
        described["expires"] = json!(moment(expires));
    }
    described
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(request: Value) -> Result<Terms, Refusal> {
        serde_json::from_value::<Request>(request).unwrap().terms()
    }

    #[test]
    fn requests_of_npm_become_terms() {
        let old = terms(json!({ "readonly": true, "cidr_whitelist": ["10.0.0.0/8"] })).unwrap();
        assert!(old.readonly && old.cidrs.len() == 1);
        let new =
            json!({ "name": "ci", "expires": 7, "packages_and_scopes_permission": "read-only" });
        let new = terms(new).unwrap();
        assert!(new.readonly);
        assert_eq!(new.label.as_deref(), Some("ci"));
        assert_eq!(new.lifetime, Some(Duration::from_secs(7 * DAY)));
    }

    #[test]
    fn a_token_with_an_unsupported_restriction_is_refused() {
        for request in [
            json!({ "packages": ["a"] }),
            json!({ "orgs": ["a"] }),
            json!({ "orgs_permission": "no-access" }),
            json!({ "expires": 0 }),
            json!({ "expires": 1_000_000 }),
            json!({ "cidr_whitelist": ["everywhere"] }),
            json!({ "name": "x".repeat(201) }),
        ] {
            assert_eq!(terms(request.clone()).unwrap_err().status(), 400, "{request}");
        }
    }
}
