//! Whether a login is good: by the issuer's public keys, by its shared secret,
//! or by asking it. The claims are judged the same way for all three.

mod fetch;
#[cfg(fuzzing)]
pub mod fuzzing;
mod jwk;
mod jwks;
pub mod jwt;
mod user_endpoint;

use std::time::Duration;

use jiff::Timestamp;

use self::fetch::NoAnswer;
use self::jwks::{Jwks, NoKeys};
use self::jwt::{Login, Rules};
use self::user_endpoint::UserEndpoint;
use super::config::LoginConfig;
use super::refusal::Refusal;
use super::values::IssuerUrl;
use demo_base::error::{Fault, Result};
use demo_service::observe::Metrics;
use demo_sqld::verifier::Verifier;

/// For how long a verdict may be used again. The signature is checked once in
/// this time, and whoever is signed out is noticed after it.
const REMEMBERED: Duration = Duration::from_secs(60);
/// The same where the issuer itself judges, and may have changed its mind.
const REMEMBERED_ANSWER: Duration = Duration::from_secs(30);
/// Where an issuer's `OpenID` configuration is.
const CONFIGURATION: &str = "/.well-known/openid-configuration";

/// Judges logins.
pub struct Logins {
    source: Source,
    rules: Rules,
}

/// Who knows whether a signature is good.
enum Source {
    Jwks(Jwks),
    /// HS256, and nothing else, with this key.
    Secret(Verifier),
    UserEndpoint(UserEndpoint),
}

impl Logins {
    /// The judge that `config` describes, which shows among `metrics` what keys
    /// it has; nothing is asked yet.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    pub fn new(config: &LoginConfig, metrics: &Metrics) -> Result<Self> {
        let source = if let Some(secret) = &config.secret {
            Source::Secret(Verifier::hs256(secret.bytes()))
        } else if let Some(endpoint) = &config.user_endpoint {
            let key = endpoint.api_key.as_ref().map(|key| key.0.clone());
            Source::UserEndpoint(UserEndpoint::new(endpoint.url.0.clone(), key)?)
        } else if let Some(url) = &config.jwks {
            Source::Jwks(Jwks::at(url.0.clone())?)
        } else {
            let url = format!("{}{CONFIGURATION}", config.issuer.trim_end_matches('/'));
            let url = IssuerUrl::try_from(url).map_err(Fault::input)?;
            Source::Jwks(Jwks::of_issuer(url.0, config.issuer.clone())?)
        };
        if let Source::Jwks(jwks) = &source {
            jwks.shown().register(metrics);
        }
        let rules = Rules {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            role: config.role.clone(),
        };
        Ok(Self { source, rules })
    }

    /// For how long a verdict may be remembered, if its [`Self::generation`] is
    /// still the same.
    pub fn remembered(&self) -> Duration {
        match self.source {
            Source::UserEndpoint(_) => REMEMBERED_ANSWER,
            Source::Jwks(_) | Source::Secret(_) => REMEMBERED,
        }
    }

    /// Changes with the issuer's keys.
    pub fn generation(&self) -> u64 {
        match &self.source {
            Source::Jwks(jwks) => jwks.generation(),
            Source::Secret(_) | Source::UserEndpoint(_) => 0,
        }
    }

    /// Judges `token`.
    ///
    /// # Errors
    /// What is wrong with it, or `IssuerAway`, `IssuerAnswer` where that cannot
    /// be known.
    pub async fn judge(&self, token: &str) -> Result<Login, Refusal> {
        let login = jwt::parse(token)?;
        let now = Timestamp::now().as_second();
        match &self.source {
            Source::Jwks(jwks) => {
                jwks.verify(&login).await?;
                self.rules.judge(jwt::claims(&login)?, now)
            }
            Source::Secret(key) => {
                if !login.names(key) {
                    return Err(Refusal::Algorithm);
                }
                if !login.is_signed_by(key) {
                    return Err(Refusal::Signature);
                }
                self.rules.judge(jwt::claims(&login)?, now)
            }
            Source::UserEndpoint(endpoint) => {
                // First what costs the auth server nothing.
                let mut good = self.rules.judge(jwt::claims(&login)?, now)?;
                endpoint.verify(token, &mut good.claims).await?;
                Ok(good)
            }
        }
    }

    /// Asks the issuer for its keys, where it publishes them.
    ///
    /// # Errors
    /// Exit 3 when it does not answer, exit 2 when it answers with something in
    /// which there is no key to use.
    pub async fn check(&self) -> Result<()> {
        let Source::Jwks(jwks) = &self.source else { return Ok(()) };
        let fault = match jwks.ask().await {
            Ok(_) => return Ok(()),
            Err(NoKeys::NoAnswer(NoAnswer::Away(why))) => {
                Fault::unreachable(format!("the issuer's keys cannot be fetched: {why}"))
                    .hint("`demo mint check --offline` looks at the files alone")
            }
            Err(NoKeys::NoAnswer(NoAnswer::Status(status))) => {
                Fault::input(format!("the issuer answers {status} where its keys should be"))
            }
            Err(NoKeys::NoAnswer(NoAnswer::TooLong)) => {
                Fault::input("what the issuer answers is longer than any JWKS document")
            }
            Err(NoKeys::Configuration) => {
                Fault::input("the issuer's OpenID configuration is none, or that of another issuer")
            }
            Err(NoKeys::Unusable(why)) => {
                Fault::input(format!("the issuer's keys cannot be used: {why}"))
            }
        };
        Err(match fault.hint_text() {
            Some(_) => fault,
            None => fault.hint("look at `login` in the file: with no key no login is good"),
        }
        .into())
    }

    /// What must go on beside the service; it never ends.
    pub async fn keep_fresh(&self) {
        match &self.source {
            Source::Jwks(jwks) => jwks.keep_fresh().await,
            Source::Secret(_) | Source::UserEndpoint(_) => std::future::pending().await,
        }
    }
}
