//! Why SQL is refused, as a message for the client.

use super::judge::DEEPEST;
use super::lexer::Unreadable;

/// How many bytes of a name a refusal quotes.
const SHOWN: usize = 64;

/// Why SQL is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("the SQL uses `{name}`, which needs a token that may write")]
    ForWriters { name: String },
    #[error("the SQL uses `{name}`, which is not allowed through this gate")]
    Forbidden { name: String },
    #[error("the SQL calls `{name}`, which is not a function or table of the database server")]
    Unknown { name: String },
    #[error("`BEGIN {0}` locks out other writers and needs a token that may write")]
    Lock(&'static str),
    #[error("the SQL has an expression with more than {DEEPEST} operators and parentheses")]
    TooDeep,
    #[error("the SQL has an unterminated quote or comment")]
    Unfinished,
    #[error("the SQL has the character U+{0:04X}, which is not allowed here")]
    Character(u32),
}

impl From<Unreadable> for Refusal {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Unfinished => Self::Unfinished,
            Unreadable::Nul => Self::Character(0),
            Unreadable::ByteOrderMark => Self::Character(0xfeff),
        }
    }
}

pub(super) fn forbidden(name: &[u8]) -> Refusal {
    Refusal::Forbidden { name: shown(name) }
}

pub(super) fn unknown(name: &[u8]) -> Refusal {
    Refusal::Unknown { name: shown(name) }
}

pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(&name[..name.len().min(SHOWN)]);
    text.to_lowercase()
}
