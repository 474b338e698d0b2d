//! Parses a token in the only way in which tokens are read here: the compact serialisation of RFC
//! 7515, with three segments of unpadded base64url, and header and claims as [`strict_json`].
//! Parsing verifies nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::strict_json::{self, Unreadable};
use crate::verifier::Verifier;

/// Header parameters that change how a token must be read: extensions that must be understood (RFC
/// 7515, section 4.1.11) and an unencoded payload (RFC 7797). Neither is supported here.
const EXTENSIONS: [&str; 2] = ["crit", "b64"];

/// Why a text is not a token. No message repeats any of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    #[error("it is longer than any token")]
    TooLong,
    /// The number of parts.
    #[error("it has {0} part{plural} instead of 3", plural = if *.0 == 1 { "" } else { "s" })]
    Parts(usize),
    #[error("its {part} part is not base64url without padding", part = PARTS[*.0])]
    Encoding(usize),
    #[error("its {part} part cannot be read: {why}", part = PARTS[*.part], why = .why)]
    Json { part: usize, why: Unreadable },
    #[error("its first part names no `alg`")]
    Algorithm,
    #[error("its first part has a `kid` that is not a string")]
    KeyId,
}

const PARTS: [&str; 3] = ["first", "second", "third"];

/// The parts of a token, none of which is verified yet.
pub struct Jws<'a> {
    /// The algorithm in the header. It can only confirm the algorithm of the key.
    pub algorithm: String,
    /// The key id in the header. `jwk`, `jku` and `x5c` are never read, because a token must not
    /// choose the key that verifies it.
    pub key_id: Option<String>,
    /// Whether the header demands an extension; such a token must be refused.
    pub needs_extension: bool,
    message: &'a [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Splits `token`, which may have at most `longest` bytes, into its parts.
    ///
    /// # Errors
    /// The reason why it is not a token.
    pub fn parse(token: &'a str, longest: usize) -> Result<Self, Malformed> {
        if token.len() > longest {
            return Err(Malformed::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Malformed::Parts(token.split('.').count()));
        };
        let message = &token.as_bytes()[..header.len() + 1 + payload.len()];
        let header = members(0, &decoded(0, header)?)?;
        let payload = decoded(1, payload)?;
        let signature = decoded(2, signature)?;
        let algorithm = match header.get("alg") {
            Some(Value::String(name)) => name.clone(),
            _ => return Err(Malformed::Algorithm),
        };
        let key_id = match header.get("kid") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name.clone()),
            Some(_) => return Err(Malformed::KeyId),
        };
        let needs_extension = EXTENSIONS.iter().any(|name| header.contains_key(*name));
        Ok(Self { algorithm, key_id, needs_extension, message, payload, signature })
    }

    /// Whether the header states the algorithm of `key`.
    pub fn names(&self, key: &Verifier) -> bool {
        self.algorithm == key.algorithm().name()
    }

    /// Whether `key` has signed it with the algorithm of the key, and the header states the same
    /// algorithm.
    pub fn is_signed_by(&self, key: &Verifier) -> bool {
        self.names(key) && key.verifies(self.message, &self.signature)
    }

    /// The claims. The caller must have verified the token, or verify it afterwards.
    ///
    /// # Errors
    /// When they are not a JSON object, or an ambiguous one.
    pub fn claims(&self) -> Result<Map<String, Value>, Malformed> {
        members(1, &self.payload)
    }
}

/// Strict: no padding, no white space and no surplus bits.
fn decoded(part: usize, text: &str) -> Result<Vec<u8>, Malformed> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed::Encoding(part))
}

fn members(part: usize, text: &[u8]) -> Result<Map<String, Value>, Malformed> {
    strict_json::object(text).map_err(|why| Malformed::Json { part, why })
}

#[cfg(test)]
mod tests;
