//! The public keys of an issuer, out of its JWKS document.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::jwt::Unverified;
use crate::mint::refusal::Refusal;

/// Keys of one issuer; those beyond are ignored.
const MOST_KEYS: usize = 32;
/// How issuers sign with keys that they publish.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA];
/// The length of an RSA modulus, in bytes.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// The length of a coordinate on P-256 and of an Ed25519 key, in bytes.
const COORDINATE: usize = 32;

/// One key that can verify logins.
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    verifier: DecodingKey,
}

/// The keys of an issuer.
#[derive(Default)]
pub struct Keys(Vec<Key>);

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
    /// Reads a JWKS document. Keys that are for something else, of another kind
    /// or broken are left out. `None` when the document is none.
    pub fn parse(document: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_slice(document).ok()?;
        let usable =
            document.keys.into_iter().filter_map(|value| key(Jwk::deserialize(value).ok()?));
        Some(Self(usable.take(MOST_KEYS).collect()))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Verifies the signature of a login with the key that it names.
    ///
    /// # Errors
    /// `UnknownKey` when it names none of these, or none where there are
    /// several; `Algorithm`, `Signature`.
    pub fn verify(&self, login: &Unverified<'_>) -> Result<(), Refusal> {
        // At once, so that `none` and HS256 never send anybody to the issuer.
        if !ALGORITHMS.iter().any(|algorithm| login.is_signed_with(*algorithm)) {
            return Err(Refusal::Algorithm);
        }
        let named: Vec<&Key> = if let Some(id) = login.header.kid.as_deref() {
            self.0.iter().filter(|key| key.id.as_deref() == Some(id)).collect()
        } else {
            // Without a `kid` there must be no doubt.
            self.0.iter().filter(|key| login.is_signed_with(key.algorithm)).collect()
        };
        if named.is_empty() || (login.header.kid.is_none() && named.len() > 1) {
            return Err(Refusal::UnknownKey);
        }
        let mut fitting =
            named.into_iter().filter(|key| login.is_signed_with(key.algorithm)).peekable();
        if fitting.peek().is_none() {
            return Err(Refusal::Algorithm);
        }
        if fitting.any(|key| login.is_signed_by(&key.verifier, key.algorithm)) {
            Ok(())
        } else {
            Err(Refusal::Signature)
        }
    }
}

/// The algorithm follows from the key's own type, and from nothing else.
fn key(jwk: Jwk) -> Option<Key> {
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    let (algorithm, name, key) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("EC", Some("P-256")) => {
            let (x, y) = (jwk.x?, jwk.y?);
            let right = length(&x)? == COORDINATE && length(&y)? == COORDINATE;
            let key = right.then(|| DecodingKey::from_ec_components(&x, &y).ok())??;
            (Algorithm::ES256, "ES256", key)
        }
        ("RSA", _) => {
            let (n, e) = (jwk.n?, jwk.e?);
            let right = MODULUS.contains(&length(&n)?) && (1..=8).contains(&length(&e)?);
            let key = right.then(|| DecodingKey::from_rsa_components(&n, &e).ok())??;
            (Algorithm::RS256, "RS256", key)
        }
        ("OKP", Some("Ed25519")) => {
            let x = jwk.x?;
            // A short one makes the other backend of this library panic.
            let right = length(&x)? == COORDINATE;
            let key = right.then(|| DecodingKey::from_ed_components(&x).ok())??;
            (Algorithm::EdDSA, "EdDSA", key)
        }
        _ => return None,
    };
    // RFC 9864 calls it by the name of its curve.
    let named = |alg: &str| alg == name || (name == "EdDSA" && alg == "Ed25519");
    if jwk.alg.as_deref().is_some_and(|alg| !named(alg)) {
        return None;
    }
    Some(Key { id: jwk.kid, algorithm, verifier: key })
}

fn length(coordinate: &str) -> Option<usize> {
    URL_SAFE_NO_PAD.decode(coordinate).ok().map(|bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn count(keys: &Value) -> Option<usize> {
        Keys::parse(&serde_json::to_vec(&json!({ "keys": keys })).unwrap()).map(|keys| keys.len())
    }

    fn text(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xff; bytes])
    }

    #[test]
    fn one_broken_key_does_not_spoil_the_others() {
        let good = json!({"kty": "OKP", "crv": "Ed25519", "x": text(32), "kid": "a"});
        for broken in [
            json!(null),
            json!({}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": text(3)}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": "!"}),
            json!({"kty": "OKP", "crv": "Ed25519"}),
            json!({"kty": "OKP", "crv": "X25519", "x": text(32)}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": text(32), "use": "enc"}),
            json!({"kty": "OKP", "crv": "Ed25519", "x": text(32), "alg": "ES256"}),
            json!({"kty": "EC", "crv": "P-256", "x": text(31), "y": text(32)}),
            json!({"kty": "EC", "crv": "P-384", "x": text(48), "y": text(48)}),
            json!({"kty": "RSA", "n": text(128), "e": "AQAB"}),
            json!({"kty": "RSA", "n": text(4096), "e": "AQAB"}),
            json!({"kty": "RSA", "n": text(256), "e": "AQAB", "alg": "PS256"}),
            json!({"kty": "oct", "k": text(32), "alg": "HS256"}),
        ] {
            assert_eq!(count(&json!([broken, good])), Some(1), "{broken}");
        }
    }

    #[test]
    fn a_document_has_a_list_of_keys_and_not_too_many() {
        for document in ["", "[]", "{}", r#"{"keys":1}"#, "<html>"] {
            assert!(Keys::parse(document.as_bytes()).is_none(), "{document}");
        }
        let key = json!({"kty": "RSA", "n": text(256), "e": "AQAB"});
        assert_eq!(count(&json!(vec![key; 100])), Some(32));
    }

    #[test]
    fn a_point_that_is_on_no_curve_verifies_nothing() {
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": text(32), "y": text(32), "kid": "a"});
        let keys = Keys::parse(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap();
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"a"}"#);
        let token = format!("{head}.e30.{}", text(64));
        let login = Unverified::parse(&token).map_err(|_| ()).unwrap();
        assert_eq!(keys.verify(&login), Err(Refusal::Signature));
    }
}
