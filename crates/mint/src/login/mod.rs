//! Verifies logins: with the issuer's public keys, with its shared secret, or by asking
//! it. The claims are checked the same way in all three cases.

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
use crate::Error;
use demo_base::error::Result;
use demo_service::observe::Metrics;
use demo_sqld::verifier::Verifier;

/// How long a verified login is cached. Its signature is checked once in this time, and a
/// sign-out is noticed after it.
const REMEMBERED: Duration = Duration::from_secs(60);
/// The same if the issuer itself verifies logins, whose answer may change.
const REMEMBERED_ANSWER: Duration = Duration::from_secs(30);
/// The path of an issuer's `OpenID` configuration.
const CONFIGURATION: &str = "/.well-known/openid-configuration";

/// Verifies logins.
pub struct Logins {
    source: Source,
    rules: Rules,
}

/// What verifies a signature.
enum Source {
    Jwks(Jwks),
    /// HS256, and nothing else, with this key.
    Secret(Verifier),
    UserEndpoint(UserEndpoint),
}

impl Logins {
    /// Sets up what `config` describes, and registers metrics about the issuer's keys. It
    /// sends no requests yet.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up, and [`Error::IssuerAddress`].
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
            let url = IssuerUrl::try_from(url).map_err(|reason| Error::IssuerAddress { reason })?;
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

    /// How long a verified login may be cached, as long as [`Self::generation`] does not
    /// change.
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

    /// Verifies `token`.
    ///
    /// # Errors
    /// What is wrong with it, or `IssuerAway` or `IssuerAnswer` if it cannot be verified.
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
                // First the checks that need no request to the auth server.
                let mut good = self.rules.judge(jwt::claims(&login)?, now)?;
                endpoint.verify(token, &mut good.claims).await?;
                Ok(good)
            }
        }
    }

    /// Fetches the issuer's keys, if it publishes any.
    ///
    /// # Errors
    /// [`Error::IssuerAway`] when the issuer does not answer, [`Error::NoIssuerKeys`] when its
    /// answer has no usable key.
    pub async fn check(&self) -> Result<(), Error> {
        let Source::Jwks(jwks) = &self.source else { return Ok(()) };
        let problem = match jwks.ask().await {
            Ok(_) => return Ok(()),
            Err(NoKeys::NoAnswer(NoAnswer::Away(reason))) => {
                return Err(Error::IssuerAway { reason });
            }
            Err(NoKeys::NoAnswer(NoAnswer::Status(status))) => {
                format!("the issuer answers {status} to the request for its keys")
            }
            Err(NoKeys::NoAnswer(NoAnswer::TooLong)) => {
                "the issuer's answer is too long for a JWKS document".to_owned()
            }
            Err(NoKeys::Configuration) => {
                "the issuer's OpenID configuration is not valid, or is that of another issuer"
                    .to_owned()
            }
            Err(NoKeys::Unusable(why)) => format!("the issuer's keys cannot be used: {why}"),
        };
        Err(Error::NoIssuerKeys { problem })
    }

    /// The background work beside the service; never returns.
    pub async fn keep_fresh(&self) {
        match &self.source {
            Source::Jwks(jwks) => jwks.keep_fresh().await,
            Source::Secret(_) | Source::UserEndpoint(_) => std::future::pending().await,
        }
    }
}
