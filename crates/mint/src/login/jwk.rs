//! Reads the public keys of an issuer from its JWKS document.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::refusal::Refusal;
use demo_sqld::jws::Jws;
use demo_sqld::strict_json;
use demo_sqld::verifier::{Algorithm, Verifier};

/// How many keys of one issuer are used; further ones are ignored.
const MOST_KEYS: usize = 32;
/// The algorithms of keys that issuers publish.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa];

/// One key that can verify logins.
struct Key {
    id: Option<String>,
    verifier: Verifier,
}

/// The keys of an issuer; at least one.
pub struct Keys(Vec<Key>);

/// Why a document has no usable keys. No message repeats a part of the document.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unusable {
    #[error("it is not a JWKS document: {0}")]
    Json(strict_json::Unreadable),
    #[error("it is not a JWKS document: it has no list `keys`")]
    NoList,
    #[error(
        "none of its {0} keys can verify a login: it needs an Ed25519 key (EdDSA), a P-256 key \
         (ES256) or an RSA key of at least 2,048 bits (RS256)"
    )]
    NoKey(usize),
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
}

impl Keys {
    /// Reads a JWKS document. Skips keys that are for another use, of another type
    /// or malformed.
    ///
    /// # Errors
    /// When it is not a JWKS document, or has no usable key.
    pub fn parse(document: &[u8]) -> Result<Self, Unusable> {
        let mut document = strict_json::object(document).map_err(Unusable::Json)?;
        let Some(Value::Array(listed)) = document.remove("keys") else {
            return Err(Unusable::NoList);
        };
        let count = listed.len();
        let usable = listed.into_iter().filter_map(|value| key(Jwk::deserialize(value).ok()?));
        let keys: Vec<Key> = usable.take(MOST_KEYS).collect();
        if keys.is_empty() { Err(Unusable::NoKey(count)) } else { Ok(Self(keys)) }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Verifies the signature of a login with the key that it names.
    ///
    /// # Errors
    /// `UnknownKey` when it names none of these keys, or names no key although there are
    /// several; `Algorithm`, `Signature`.
    pub fn verify(&self, login: &Jws<'_>) -> Result<(), Refusal> {
        // Checked first, so that `none` and HS256 never cause a request to the issuer.
        if !ALGORITHMS.iter().any(|algorithm| login.algorithm == algorithm.name()) {
            return Err(Refusal::Algorithm);
        }
        let named: Vec<&Key> = if let Some(id) = login.key_id.as_deref() {
            self.0.iter().filter(|key| key.id.as_deref() == Some(id)).collect()
        } else {
            // Without a `kid`, only one key may match.
            self.0.iter().filter(|key| login.names(&key.verifier)).collect()
        };
        if named.is_empty() || (login.key_id.is_none() && named.len() > 1) {
            return Err(Refusal::UnknownKey);
        }
        let mut fitting = named.into_iter().filter(|key| login.names(&key.verifier)).peekable();
        if fitting.peek().is_none() {
            return Err(Refusal::Algorithm);
        }
        if fitting.any(|key| login.is_signed_by(&key.verifier)) {
            Ok(())
        } else {
            Err(Refusal::Signature)
        }
    }
}

/// A usable key. Only the type of the key determines its algorithm.
fn key(jwk: Jwk) -> Option<Key> {
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    let verifier = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("EC", Some("P-256")) => Verifier::es256(&bytes(&jwk.x?)?, &bytes(&jwk.y?)?),
        ("RSA", _) => {
            let (n, e) = (bytes(&jwk.n?)?, bytes(&jwk.e?)?);
            Verifier::rs256(without_zeros(&n), without_zeros(&e))
        }
        ("OKP", Some("Ed25519")) => Verifier::ed25519(&bytes(&jwk.x?)?),
        _ => None,
    }?;
    // RFC 9864 names EdDSA after its curve.
    let own = verifier.algorithm();
    let named = |alg: &str| alg == own.name() || (own == Algorithm::EdDsa && alg == "Ed25519");
    if jwk.alg.as_deref().is_some_and(|alg| !named(alg)) {
        return None;
    }
    Some(Key { id: jwk.kid, verifier })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Removes leading zeros, which some libraries write (RFC 7518, section 6.3.1.1).
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests;
