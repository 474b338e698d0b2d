//! Why SQL may not pass, in words for whoever sent it.

use super::judge::DEEPEST;
use super::lexer::Unreadable;

/// Of a name in a refusal.
const SHOWN: usize = 64;

/// Why SQL may not pass.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("the SQL uses `{name}`, which is not for tokens that may only read")]
    ForWriters { name: String },
    #[error("the SQL uses `{name}`, which nobody may use through this gate")]
    Forbidden { name: String },
    #[error("the SQL calls `{name}`, which is not a function or table of the database server")]
    Unknown { name: String },
    #[error("`BEGIN {0}` locks out other writers and is not for tokens that may only read")]
    Lock(&'static str),
    #[error("the SQL has an expression with more than {DEEPEST} operators and parentheses")]
    TooDeep,
    #[error("the SQL has a quotation or a comment without an end")]
    Unfinished,
    #[error("the SQL has the character U+{0:04X} outside a text")]
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
