//! A token taken apart, in the one way that everything here reads tokens: the
//! compact form of RFC 7515, three segments of base64url without padding, header
//! and claims as [`strict_json`]. Nothing in it is believed yet.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::strict_json::{self, Unreadable};
use crate::verifier::Verifier;

/// Header parameters that change how a token must be read: extensions that must
/// be understood (RFC 7515, section 4.1.11) and an unencoded payload (RFC 7797).
/// None is understood here.
const EXTENSIONS: [&str; 2] = ["crit", "b64"];

/// Why a text is no token. No message repeats any of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    #[error("it is longer than any token")]
    TooLong,
    /// How many there are.
    #[error("it has {0} part{plural} instead of 3", plural = if *.0 == 1 { "" } else { "s" })]
    Parts(usize),
    #[error("its {part} part is not base64url without padding", part = PARTS[*.0])]
    Encoding(usize),
    #[error("its {part} part cannot be read: {why}", part = PARTS[*.part], why = .why)]
    Json { part: usize, why: Unreadable },
    #[error("its first part names no `alg`")]
    Algorithm,
    #[error("its first part has a `kid` that is no text")]
    KeyId,
}

const PARTS: [&str; 3] = ["first", "second", "third"];

/// A token in its parts; nothing in it is verified.
pub struct Jws<'a> {
    /// What the header says of the algorithm. It only ever confirms what the key
    /// has decided.
    pub algorithm: String,
    /// The key that the header names. `jwk`, `jku` and `x5c` are never looked
    /// at: a token does not say which key verifies it.
    pub key_id: Option<String>,
    /// Whether the header asks for an extension; such a token is to be refused.
    pub needs_extension: bool,
    message: &'a [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes `token`, of `longest` bytes at most, apart.
    ///
    /// # Errors
    /// Why it is none.
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

    /// Whether the header names the algorithm of `key`.
    pub fn names(&self, key: &Verifier) -> bool {
        self.algorithm == key.algorithm().name()
    }

    /// Whether `key` has signed it, by the one algorithm that the key has, and
    /// the header says the same.
    pub fn is_signed_by(&self, key: &Verifier) -> bool {
        self.names(key) && key.verifies(self.message, &self.signature)
    }

    /// The claims. Whoever calls this has verified the token, or will.
    ///
    /// # Errors
    /// When they are no JSON object, or one that can be read in two ways.
    pub fn claims(&self) -> Result<Map<String, Value>, Malformed> {
        members(1, &self.payload)
    }
}

/// Strict: no padding, no white space, no bits left over.
fn decoded(part: usize, text: &str) -> Result<Vec<u8>, Malformed> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed::Encoding(part))
}

fn members(part: usize, text: &[u8]) -> Result<Map<String, Value>, Malformed> {
    strict_json::object(text).map_err(|why| Malformed::Json { part, why })
}

#[cfg(test)]
mod tests;
