//! Verifies logins by asking the auth server for the user.
//!
//! This is for Supabase with the legacy secret, if the secret must not leave the auth server.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::fetch::{self, NoAnswer};
use crate::refusal::Refusal;
use demo_base::error::Result;
use demo_sqld::strict_json;

/// The fields in which the answer may name the user.
const NAMES_OF_THE_USER: [&str; 2] = ["id", "sub"];
/// Set by the auth server, and more current than the claim in the login.
const SERVER_METADATA: &str = "app_metadata";

/// The endpoint of an auth server that returns the user of a login.
pub struct UserEndpoint {
    http: reqwest::Client,
    url: Url,
    api_key: Option<SecretString>,
}

impl UserEndpoint {
    /// The endpoint at `url`; `api_key` is sent in the header `apikey`.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    pub fn new(url: Url, api_key: Option<SecretString>) -> Result<Self> {
        Ok(Self { http: fetch::client(&url)?, url, api_key })
    }

    /// Asks the server whose login `token` is, which must be the `sub` in `claims`, and
    /// updates `app_metadata` in `claims`.
    ///
    /// # Errors
    /// `LoginEnded` when the server refuses the login, `IssuerAway`, `IssuerAnswer`.
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
                tracing::warn!(status, "the user endpoint answers with an error");
                Refusal::IssuerAway
            }
            NoAnswer::Away(reason) => {
                tracing::warn!(reason, "the user endpoint does not answer");
                Refusal::IssuerAway
            }
            reason => {
                tracing::warn!(?reason, "cannot use the answer of the user endpoint");
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
