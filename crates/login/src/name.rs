//! Names of users, which are safe in a URL, an htpasswd file and every database.

use std::fmt;
use std::str::FromStr;

/// The longest name that the databases can store.
const LONGEST: usize = 100;

/// A valid name: ASCII letters and digits and, after the first character, `.`, `_`, `-`, `~`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Username(String);

/// Why a name is not valid, as a message for the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadName {
    #[error("the user name is empty")]
    Empty,
    #[error("the user name is longer than {LONGEST} characters")]
    Long,
    #[error("the user name must begin with a letter or a digit")]
    Start,
    #[error("the user name has characters other than letters, digits, `.`, `_`, `-` and `~`")]
    Character,
}

impl Username {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it may be registered: npm's registry allows lower case only, and
    /// `Alice` could be mistaken for `alice`.
    pub fn is_lower_case(&self) -> bool {
        !self.0.bytes().any(|byte| byte.is_ascii_uppercase())
    }
}

impl FromStr for Username {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let first = text.bytes().next().ok_or(BadName::Empty)?;
        if text.len() > LONGEST {
            return Err(BadName::Long);
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-~".contains(&byte)) {
            return Err(BadName::Character);
        }
        if !first.is_ascii_alphanumeric() {
            return Err(BadName::Start);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Username {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_safe_everywhere_is_a_name() {
        for name in ["a", "alice", "a.b_c-d~1", "0", "Alice", &"x".repeat(100)] {
            assert_eq!(name.parse::<Username>().unwrap().as_str(), name);
        }
        let table = [
            ("", BadName::Empty),
            (".a", BadName::Start),
            ("-a", BadName::Start),
            ("a:b", BadName::Character),
            ("a b", BadName::Character),
            ("a\n", BadName::Character),
            ("a/../b", BadName::Character),
            ("ä", BadName::Character),
            ("a\0", BadName::Character),
        ];
        for (name, why) in table {
            assert_eq!(name.parse::<Username>(), Err(why), "{name:?}");
        }
        assert_eq!("x".repeat(101).parse::<Username>(), Err(BadName::Long));
        assert!(!"Alice".parse::<Username>().unwrap().is_lower_case());
    }
}
