//! Names of namespaces, checked before they reach the server.
//!
//! The server accepts any text. With `..` in a name it creates folders outside its data path, a
//! namespace with a dot cannot be reached by host name, and one of 300 characters can never be
//! deleted (measured on sqld 0.24.32).

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The longest label of a host name, in bytes (RFC 1035).
const LONGEST: usize = 63;

/// A name that can be a folder, a host label and part of a URL.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct NamespaceName(String);

impl NamespaceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why a name was refused.
#[derive(Debug, thiserror::Error)]
#[error(
    "a namespace is 1 to {LONGEST} of a-z, 0-9, - and _, and begins with a letter or a digit; \
     the server does not check names and creates folders outside its data path for some"
)]
pub struct InvalidName;

impl FromStr for NamespaceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let valid = bytes.first().is_some_and(|first| plain(*first))
            && bytes.len() <= LONGEST
            && bytes.iter().all(|byte| plain(*byte) || matches!(byte, b'-' | b'_'));
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidName) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_pass() {
        for name in ["a", "shop", "db-0f", "a_b", "0", &"x".repeat(63)] {
            assert!(name.parse::<NamespaceName>().is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_harm_the_server_do_not() {
        let long = "x".repeat(64);
        for name in
            ["", "..", "../x", "a/b", "a.b", "a b", "été", "-a", "_a", "A", "a\n", "%2e", &long]
        {
            assert!(name.parse::<NamespaceName>().is_err(), "{name:?}");
        }
    }
}
