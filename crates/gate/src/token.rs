//! Decides whether a token is valid now. This is stricter than the server: there is no
//! leeway, `nbf` and `iss` are checked, and tokens and keys can be revoked.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::revoked::Revoked;
use super::trusted_keys::{Key, TrustedKeys};
use demo_sqld::claims::Claims;
use demo_sqld::jws::Jws;

/// The longest token in bytes, far above any real one; longer ones are not even hashed.
const LONGEST: usize = 8 * 1024;
/// How many verified tokens are cached.
const KEPT: u64 = 20_000;
/// How long a token stays cached without being used.
const KEPT_IDLE: Duration = Duration::from_mins(10);

/// Why a token is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Bad {
    #[error("there is no token: send `Authorization: Bearer TOKEN`")]
    Missing,
    #[error("the token is not a JWT that this gate trusts")]
    Invalid,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    Early,
    #[error("the token is from another issuer")]
    Issuer,
    #[error("the token has the claim `aud`, which the server refuses")]
    Audience,
    #[error("the token never expires, but this gate requires an `exp`")]
    Endless,
    #[error("the token has no `jti`, but this gate requires one, so that it can be revoked")]
    Nameless,
    #[error("the token has been revoked")]
    Revoked,
}

impl Bad {
    /// The error code for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Invalid => "token-invalid",
            Self::Expired => "token-expired",
            Self::Early => "token-not-yet-valid",
            Self::Issuer => "token-wrong-issuer",
            Self::Audience => "token-with-audience",
            Self::Endless => "token-without-end",
            Self::Nameless => "token-without-id",
            Self::Revoked => "token-revoked",
        }
    }
}

/// The claims of a token whose signature is valid.
#[derive(Debug)]
pub struct Verified {
    pub claims: Claims,
    /// Thumbprint of the key that signed it.
    key: String,
}

/// Claims that a token must have, apart from those that grant rights.
#[derive(Clone, Debug, Default)]
pub struct Required {
    /// The value of `iss`.
    pub issuer: Option<String>,
    /// Whether there must be an `exp`.
    pub exp: bool,
    /// Whether there must be a `jti`, so that the token can be revoked.
    pub jti: bool,
}

/// Verifies tokens against the keys of the operator.
pub struct Verifier {
    trusted: TrustedKeys,
    required: Required,
    revoked: Revoked,
    /// The key is a digest of the token, which itself is never stored.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

impl Verifier {
    pub fn new(trusted: TrustedKeys, required: Required, revoked: Revoked) -> Self {
        let verified = Cache::builder().max_capacity(KEPT).time_to_idle(KEPT_IDLE).build();
        Self { trusted, required, revoked, verified }
    }

    /// The claims of `token`, if it is valid at `now` (seconds since 1970).
    ///
    /// # Errors
    /// The reason why it is not valid.
    pub fn verify(&self, token: &str, now: i64) -> Result<Arc<Verified>, Bad> {
        if token.is_empty() {
            return Err(Bad::Missing);
        }
        if token.len() > LONGEST {
            return Err(Bad::Invalid);
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let verified = if let Some(verified) = self.verified.get(&digest) {
            verified
        } else {
            let verified = Arc::new(self.signed(token).ok_or(Bad::Invalid)?);
            self.verified.insert(digest, verified.clone());
            verified
        };
        self.recheck(&verified, now)?;
        Ok(verified)
    }

    /// Checks everything about a verified token that may change over time.
    ///
    /// # Errors
    /// The reason why it is no longer valid.
    pub fn recheck(&self, verified: &Verified, now: i64) -> Result<(), Bad> {
        let Verified { claims, key } = verified;
        let required = &self.required;
        if !self.trusted.has(key) {
            return Err(Bad::Invalid);
        }
        if claims.has_audience() {
            return Err(Bad::Audience);
        }
        if required.issuer.is_some() && required.issuer != claims.iss {
            return Err(Bad::Issuer);
        }
        if required.exp && claims.exp.is_none() {
            return Err(Bad::Endless);
        }
        if required.jti && claims.jti.as_deref().is_none_or(str::is_empty) {
            return Err(Bad::Nameless);
        }
        if claims.exp.is_some_and(|end| now >= end) {
            return Err(Bad::Expired);
        }
        if claims.nbf.is_some_and(|start| now < start) {
            return Err(Bad::Early);
        }
        if claims.jti.as_ref().is_some_and(|id| self.revoked.contains(id)) {
            return Err(Bad::Revoked);
        }
        Ok(())
    }

    /// The claims of `token`, if one of the trusted keys signed it.
    fn signed(&self, token: &str) -> Option<Verified> {
        let jws = Jws::parse(token, LONGEST).ok().filter(|jws| !jws.needs_extension)?;
        let keys = self.trusted.now();
        let verifies = |key: &&Key| jws.is_signed_by(&key.verifier);
        // If `kid` is the thumbprint of a trusted key, only that key counts. Other issuers
        // may use a different kind of `kid`, so an unknown one is ignored.
        let named = keys.iter().find(|key| jws.key_id.as_ref() == Some(&key.thumbprint));
        let key = match named {
            Some(key) => Some(key).filter(verifies),
            None => keys.iter().find(verifies),
        }?;
        Some(Verified { claims: Claims::strict(jws.claims().ok()?)?, key: key.thumbprint.clone() })
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
