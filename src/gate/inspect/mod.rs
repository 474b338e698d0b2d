//! What a request would have the server do, beyond the namespace that it names.
//!
//! The server checks a token against a namespace and then trusts what is inside
//! the request. Three things in there lead to other tenants (all are probes of
//! the ledger, measured on sqld 0.24.32): SQL that reaches the server's files, a
//! baton of another namespace's stream, a client id of another namespace's client.

pub mod batons;
pub mod json;
pub mod protobuf;
pub mod proxy;
pub mod words;

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
