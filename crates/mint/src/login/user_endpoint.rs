//! Logins that only the auth server itself can judge: it is asked for the user.
//!
//! For Supabase with the legacy secret, where the secret is not to leave it.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::fetch::{self, NoAnswer};
use crate::refusal::Refusal;
use demo_base::error::Result;
use demo_sqld::strict_json;

/// Whose answer it is may be called either.
const NAMES_OF_THE_USER: [&str; 2] = ["id", "sub"];
/// Set by the server, and newer than what the login says.
const SERVER_METADATA: &str = "app_metadata";

/// The endpoint of an auth server that answers with the user of a login.
pub struct UserEndpoint {
    http: reqwest::Client,
    url: Url,
    api_key: Option<SecretString>,
}

impl UserEndpoint {
    /// The endpoint at `url`; `api_key` goes into the header `apikey`.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    pub fn new(url: Url, api_key: Option<SecretString>) -> Result<Self> {
        Ok(Self { http: fetch::client(&url)?, url, api_key })
    }

    /// Asks whose login `token` is; it must be that of the `sub` in `claims`,
    /// whose `app_metadata` is brought up to date.
    ///
    /// # Errors
    /// `LoginEnded` when the server says no, `IssuerAway`, `IssuerAnswer`.
    pub async fn verify(
        &self,
        token: &str,
        claims: &mut Map<String, Value>,
    ) -> Result<(), Refusal> {
        let mut request = self.http.get(self.url.clone()).bearer_auth(token);
        if let Some(key) = &self.api_key {
            request = request.header("apikey", key.expose_secret());
        }
        let body = fetch::body(request).await.map_err(|reason| match reason {
            NoAnswer::Status(401 | 403) => Refusal::LoginEnded,
            NoAnswer::Status(status) if status == 429 || status >= 500 => {
                tracing::warn!(status, "the user endpoint cannot answer");
                Refusal::IssuerAway
            }
            NoAnswer::Away(reason) => {
                tracing::warn!(reason, "the user endpoint is away");
                Refusal::IssuerAway
            }
            reason => {
                tracing::warn!(?reason, "the user endpoint gave no useful answer");
                Refusal::IssuerAnswer
            }
        })?;
        let mut user = strict_json::object(&body).map_err(|_| Refusal::IssuerAnswer)?;
        let named = NAMES_OF_THE_USER.iter().find_map(|name| user.get(*name)?.as_str());
        match (named, claims.get("sub").and_then(Value::as_str)) {
            (None, _) => return Err(Refusal::IssuerAnswer),
            (Some(named), Some(subject)) if named == subject => {}
            _ => return Err(Refusal::Subject),
        }
        if let Some(fresh) = user.remove(SERVER_METADATA) {
            claims.insert(SERVER_METADATA.to_owned(), fresh);
        }
        Ok(())
    }
}
