//! Makes tokens, and describes what a server makes of one.

use std::fmt;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;

use crate::Error;
use crate::claims::Claims;
use crate::jws::Jws;
use crate::keys::{KeySet, PublicKey, SigningKey};
use crate::moment;
use crate::verifier::Verifier;

mod allows;

/// The only algorithm that the server accepts.
const ALGORITHM: &str = "EdDSA";
/// The longest token that is read, in bytes: more than any server accepts in a header.
const LONGEST: usize = 64 * 1024;
/// The server accepts a token for this many seconds after it has expired.
const LEEWAY: i64 = 60;
/// The expiry times that the server can represent, in seconds since 1970: the years -262143 to
/// 262142 of its calendar.
const DATES: RangeInclusive<i64> = -8_334_601_228_800..=8_210_266_876_799;

/// Signs `claims`; the header's `kid` is the thumbprint of the key. The server accepts such tokens
/// and ignores the `kid` (measured on sqld 0.24.32).
///
/// # Errors
/// [`Error::Unsigned`] when the claims cannot be serialised or the key cannot sign; neither happens
/// with the types of this crate.
pub fn mint(key: &SigningKey, claims: &impl Serialize) -> Result<SecretString, Error> {
    let signer = EncodingKey::from_ed_der(&key.to_der());
    let header = Header { kid: Some(key.public().thumbprint()), ..Header::new(Algorithm::EdDSA) };
    Ok(SecretString::from(jsonwebtoken::encode(&header, claims, &signer)?))
}

/// A key prepared for signing many tokens, each with its `kid`.
pub struct Signer {
    key: EncodingKey,
    header: Header,
}

impl Signer {
    /// The `kid` is the thumbprint of the public half of the key.
    pub fn new(key: &SigningKey) -> Self {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key.public().thumbprint());
        Self { key: EncodingKey::from_ed_der(&key.to_der()), header }
    }

    /// Signs `claims`.
    ///
    /// # Errors
    /// As [`mint`].
    pub fn sign(&self, claims: &impl Serialize) -> Result<SecretString, Error> {
        Ok(SecretString::from(jsonwebtoken::encode(&self.header, claims, &self.key)?))
    }
}

/// When a token expires according to its claims, without verification. `None` when it never does,
/// or when it is not a token.
pub fn expiry(token: &str) -> Option<Timestamp> {
    let claims = Jws::parse(token.trim(), LONGEST).ok()?.claims().ok()?;
    let end = claims.get("exp")?.as_i64().filter(|end| *end >= 0)?;
    Timestamp::from_second(end).ok()
}

/// The claims of a token, and what the server makes of it at a given time.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Whether the server would accept it.
    pub accepted: bool,
    /// Why the server would refuse it.
    pub reason: Option<String>,
    /// The header's `alg`.
    pub algorithm: String,
    /// The thumbprint of the key that verifies it.
    pub key: Option<String>,
    pub claims: Claims,
    /// The `iat` claim, which the server ignores.
    pub issued: Option<Timestamp>,
    /// The `exp` claim; `None` if it never expires, or not before the year 10000.
    pub expires: Option<Timestamp>,
    /// The `nbf` claim, which the server ignores.
    pub not_before: Option<Timestamp>,
    /// Sentences on what the server lets its holder do; empty when it is refused.
    pub allows: Vec<String>,
    #[serde(skip)]
    now: Timestamp,
}

/// Reads a token, finds the key that verifies it, and judges it as sqld 0.24.32 would at `now`.
///
/// # Errors
/// [`Error::NoToken`] when it is not a JWT; the message never repeats the text.
pub fn inspect(token: &str, keys: &KeySet, now: Timestamp) -> Result<Inspection, Error> {
    let token = token.trim();
    if token.is_empty() {
        return Err(no_token("it is empty"));
    }
    if token.contains(char::is_whitespace) {
        let what = "it contains white space; pass only the token, without `Bearer`";
        return Err(no_token(what));
    }
    let jws = Jws::parse(token, LONGEST).map_err(no_token)?;
    let members = jws.claims().map_err(no_token)?;
    let algorithm = jws.algorithm.clone();
    let key = keys.0.iter().find(|key| signed_by(&jws, key));
    let claims = Claims::from_map(members);
    let time = |seconds: Option<i64>| Timestamp::from_second(seconds?).ok();
    let reason = if algorithm != ALGORITHM {
        Some(format!(
            "it is signed with {}, but the server accepts only {ALGORITHM}",
            quoted(&algorithm)
        ))
    } else if key.is_none() {
        Some(foreign(keys))
    } else {
        malformed(&claims).or_else(|| expired(&claims, now)).or_else(|| audience(&claims))
    };
    Ok(Inspection {
        accepted: reason.is_none(),
        allows: if reason.is_none() { allows::sentences(&claims, now) } else { Vec::new() },
        reason,
        algorithm,
        key: key.map(PublicKey::thumbprint),
        issued: time(claims.iat),
        expires: time(claims.exp.filter(|end| *end >= 0)),
        not_before: time(claims.nbf),
        claims,
        now,
    })
}

impl fmt::Display for Inspection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match &self.reason {
            None => "accepted by the server".to_owned(),
            Some(reason) => format!("refused by the server (401): {reason}"),
        };
        let mut lines = vec![("token", verdict)];
        if self.reason.is_some() && self.key.is_none() {
            lines.push(("algorithm", quoted(&self.algorithm)));
        }
        if let Some(key) = &self.key {
            lines.push(("key", format!("{key} ({})", self.algorithm)));
        }
        if let Some(subject) = &self.claims.sub {
            lines.push(("subject", quoted(subject)));
        }
        let moment = |time: Timestamp| format!("{time}, {}", moment::relative(time, self.now));
        if let Some(issued) = self.issued {
            lines.push(("issued", moment(issued)));
        }
        if let Some(not_before) = self.not_before {
            lines.push(("from", moment(not_before)));
        }
        match (self.expires, self.claims.exp) {
            (Some(expires), _) => {
                let ended = moment::expiry(expires, self.now);
                let late = if self.accepted && expires <= self.now {
                    ", but the server allows another minute"
                } else {
                    ""
                };
                lines.push(("until", format!("{expires}, {ended}{late}")));
            }
            (None, Some(seconds)) => {
                lines.push(("until", format!("{seconds}, which is practically never")));
            }
            (None, None) => lines.push(("until", "it never expires".to_owned())),
        }
        if let Ok(claims) = serde_json::to_string(&self.claims) {
            lines.push(("claims", printable(&claims)));
        }
        lines.extend(self.allows.iter().map(|sentence| ("allows", sentence.clone())));
        let mut last = "";
        for (index, (name, text)) in lines.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            let shown = if *name == last { "" } else { *name };
            write!(formatter, "{newline}{shown:<10}{text}")?;
            last = name;
        }
        Ok(())
    }
}

fn no_token(why: impl fmt::Display) -> Error {
    Error::NoToken { why: why.to_string() }
}

fn signed_by(jws: &Jws<'_>, key: &PublicKey) -> bool {
    Verifier::ed25519(key.as_bytes()).is_some_and(|key| jws.is_signed_by(&key))
}

fn foreign(keys: &KeySet) -> String {
    match keys.0.len() {
        0 => "there is no key to verify it with".to_owned(),
        1 => "the key that the server trusts does not verify it".to_owned(),
        count => format!("none of the {count} keys that the server trusts verifies it"),
    }
}

/// Claims that the server reads, but that do not have the form it expects.
fn malformed(claims: &Claims) -> Option<String> {
    let names = [
        ("a", "one of rw, ro, roa"),
        ("id", "the name of a namespace"),
        ("p", "an object of lists of namespaces"),
        ("exp", "a whole number of seconds that is a date"),
    ];
    let wrong = |name: &str| match name {
        "id" => claims.id.as_deref() == Some(""),
        "exp" => claims.exp.is_some_and(|end| !DATES.contains(&end)),
        _ => false,
    };
    let (name, expected) =
        names.into_iter().find(|(name, _)| claims.others.contains_key(*name) || wrong(name))?;
    Some(format!("its claim `{name}` is not {expected}"))
}

fn expired(claims: &Claims, now: Timestamp) -> Option<String> {
    // The server ignores an expiry before 1970.
    let end = claims.exp.filter(|end| *end >= 0)?;
    if end >= now.as_second().saturating_sub(LEEWAY) {
        return None;
    }
    let when = Timestamp::from_second(end)
        .map_or_else(|_| "expired long ago".to_owned(), |end| moment::expiry(end, now));
    Some(format!("it {when}"))
}

/// The server ignores an `aud` that is neither a string nor a list of strings.
fn audience(claims: &Claims) -> Option<String> {
    let given = match claims.others.get("aud") {
        Some(Value::String(_)) => true,
        Some(Value::Array(items)) => items.iter().all(Value::is_string),
        _ => false,
    };
    given.then(|| "it has the claim `aud`, and the server refuses every token with it".to_owned())
}

/// A text from a token, escaped so that it cannot control the terminal.
fn quoted(text: &str) -> String {
    format!("`{}`", printable(text))
}

fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests;
