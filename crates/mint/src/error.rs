//! What can go wrong before the mint serves requests. Why it refuses a login is a
//! [`super::refusal::Refusal`].

use std::path::PathBuf;

/// What can go wrong with the configuration of a mint and with what it names.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value in the configuration file is not valid, or does not go with another.
    #[error("{}: `{key}`: {reason}", path.display())]
    Setting {
        /// The configuration file.
        path: PathBuf,
        /// The key, such as "login.issuer".
        key: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The address of the issuer's `OpenID` configuration is not valid.
    #[error("{reason}")]
    IssuerAddress {
        /// What it must be.
        reason: &'static str,
    },
    /// The issuer cannot be reached, or does not answer in time.
    #[error("cannot fetch the issuer's keys: {reason}")]
    IssuerAway {
        /// What the HTTP client says, without the URL.
        reason: String,
    },
    /// The issuer answers, but not with keys that can be used.
    #[error("{problem}")]
    NoIssuerKeys {
        /// What is wrong with the answer, as a sentence.
        problem: String,
    },
    /// The schema cannot be used for new namespaces.
    #[error("{place} cannot be used as a schema")]
    Schema {
        /// Where it comes from.
        place: String,
        /// What an empty database says to it.
        source: libsql::Error,
    },
}
