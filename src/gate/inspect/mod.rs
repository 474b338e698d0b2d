//! SQL that reaches beyond the namespace that a token is for.
//!
//! The server checks a token against a namespace and then runs what it is given.
//! Some functions of SQL do not stop at the database: `readfile()` shows another
//! tenant's rows (`sql-reads-any-file` in the ledger, measured on sqld 0.24.32).

mod json;
mod protobuf;
mod proxy;
mod words;

pub use self::json::{check as json, request_id};
pub use self::protobuf::{bytes, cursor, pipeline};
pub use self::proxy::{Call, check as call};

use super::rights::Right;

/// Looks at one SQL text that the holder of a token with `right` sends.
///
/// # Errors
/// [`Refusal::Word`].
pub fn sql(text: &str, _right: Right) -> Result<(), Refusal> {
    words::find(text.as_bytes()).map_or(Ok(()), |word| Err(Refusal::Word(word)))
}

/// The word for programs of [`Refusal::Word`].
pub const SQL_FORBIDDEN: &str = "sql-forbidden";

/// Why a request may not pass.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It has a word in its SQL that reaches beyond the database.
    #[error(
        "the SQL has the word `{0}`, which reaches beyond this database; \
         if it is plain text, send it as an argument"
    )]
    Word(&'static str),
    /// It cannot be read the way the server would.
    #[error("the body is not what this route takes: {0}")]
    Malformed(&'static str),
}

#[cfg(test)]
mod tests;
