//! Is this token good, now? Stricter than the server: no leeway, `nbf` and
//! `iss` are looked at, a token can be revoked, and so can a key.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use moka::sync::Cache;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::revoked::Revoked;
use super::rights::Claims;
use super::trusted::{Key, Trusted};

/// No token of ours comes near it; longer ones are not even hashed.
const LONGEST: usize = 8 * 1024;
/// Verified tokens that are kept.
const KEPT: u64 = 20_000;
/// A token that nobody has sent for so long is forgotten.
const KEPT_IDLE: Duration = Duration::from_mins(10);

/// Why a token is no good.
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
    #[error("the token comes from another issuer")]
    Issuer,
    #[error("the token has the claim `aud`, which the server refuses")]
    Audience,
    #[error("the token has been revoked")]
    Revoked,
}

impl Bad {
    /// The word for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Invalid => "token-invalid",
            Self::Expired => "token-expired",
            Self::Early => "token-not-yet-valid",
            Self::Issuer => "token-wrong-issuer",
            Self::Audience => "token-with-audience",
            Self::Revoked => "token-revoked",
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Extensions that must be understood; there are none here (RFC 7515, 4.1.11).
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// What a token says whose signature is good.
#[derive(Debug)]
pub struct Verified {
    pub claims: Claims,
    /// Thumbprint of the key that has signed it.
    key: String,
}

/// Verifies tokens against the keys of the operator.
pub struct Verifier {
    trusted: Trusted,
    issuer: Option<String>,
    revoked: Revoked,
    /// By digest: a token itself is never kept.
    verified: Cache<[u8; 32], Arc<Verified>>,
}

impl Verifier {
    pub fn new(trusted: Trusted, issuer: Option<String>, revoked: Revoked) -> Self {
        let verified = Cache::builder().max_capacity(KEPT).time_to_idle(KEPT_IDLE).build();
        Self { trusted, issuer, revoked, verified }
    }

    /// What `token` says, when it is good at `now` (seconds since 1970).
    ///
    /// # Errors
    /// Why it is not.
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

    /// What may change in the life of a verified token.
    ///
    /// # Errors
    /// Why it is no good any more.
    pub fn recheck(&self, verified: &Verified, now: i64) -> Result<(), Bad> {
        let Verified { claims, key } = verified;
        if !self.trusted.has(key) {
            return Err(Bad::Invalid);
        }
        if claims.aud.is_some() {
            return Err(Bad::Audience);
        }
        if self.issuer.is_some() && self.issuer != claims.iss {
            return Err(Bad::Issuer);
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

    /// What it says, when one of our keys has signed it.
    fn signed(&self, token: &str) -> Option<Verified> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header: Header = from_base64(header)?;
        if header.alg != "EdDSA" || header.crit.is_some() {
            return None;
        }
        let keys = self.trusted.now();
        let verifies = |key: &&Key| {
            let (message, algorithm) = (message.as_bytes(), Algorithm::EdDSA);
            jsonwebtoken::crypto::verify(signature, message, &key.decoding, algorithm)
                .unwrap_or(false)
        };
        // A `kid` of ours means that key alone; others may name keys otherwise.
        let named = keys.iter().find(|key| header.kid.as_ref() == Some(&key.thumbprint));
        let key = match named {
            Some(key) => Some(key).filter(verifies),
            None => keys.iter().find(verifies),
        }?;
        Some(Verified { claims: from_base64(payload)?, key: key.thumbprint.clone() })
    }
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}

fn from_base64<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests;
