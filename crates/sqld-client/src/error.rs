//! What can go wrong between a client and a server, or with the copy of a database.

use std::path::PathBuf;

use demo_base::error::Cause;
use demo_sqld::namespace::NamespaceName;

/// What can go wrong. `server` is the address in words for a person.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection can be opened, or it was lost.
    #[error("cannot connect to {server}")]
    Unreachable { server: String, source: Cause },
    /// There is a connection, but no answer in time.
    #[error("{server} did not answer in time")]
    Silent { server: String },
    /// The server answers that it cannot answer (429 and 5xx).
    #[error("{server} reports an internal error")]
    Unwell { server: String, source: Said },
    /// The server does not accept the token.
    #[error("{server} refused the token ({status})")]
    TokenRefused { server: String, status: u16, source: Said },
    /// The server accepts the token, but not for this.
    #[error("{server} does not allow this with the token (403)")]
    Forbidden { server: String, source: Said },
    /// A replica forwarded a write, and its primary does not allow it with the token.
    #[error("{server}, through its primary, refused the statement")]
    ForbiddenByPrimary { server: String, source: Said },
    /// The token is for other namespaces, which the server answers like a missing one.
    #[error("the token is not for namespace `{namespace}` of {server}")]
    OtherNamespace { server: String, namespace: String, source: Said },
    /// The Admin API does not accept the key.
    #[error("{api} refused the key")]
    KeyRefused { api: &'static str, source: Said },
    /// There is no such namespace.
    #[error("there is no namespace `{name}` at {server}")]
    NoNamespace { server: String, name: NamespaceName, source: Said },
    /// No namespace was named, and there is no default one.
    #[error("{server} has no default namespace")]
    NoDefaultNamespace { server: String, status: u16, source: Said },
    /// The server does not have the namespace that the client was made for.
    #[error("{server} has no such namespace")]
    NoSuchNamespace { server: String, source: Said },
    /// A namespace that a fork would replace.
    #[error("the namespace `{name}` exists already")]
    NamespaceExists { name: NamespaceName },
    /// The SQL was refused.
    #[error("{server} refused the statement")]
    Statement {
        server: String,
        /// The table that does not exist, if that is the reason.
        missing_table: Option<String>,
        source: Said,
    },
    /// A status that is not explained otherwise.
    #[error("{server} answered {status}")]
    Status { server: String, status: u16, source: Said },
    /// An answer that is not what the protocol says.
    #[error("{server} sent an answer that cannot be used: {what}")]
    UnusableAnswer { server: String, what: String, source: Option<Cause> },
    /// Text that is not the URL of a server.
    #[error("`{url}` is not the URL of a server: {why}")]
    NoServerUrl { url: String, why: &'static str, source: Option<Cause> },
    /// The HTTP client cannot be set up.
    #[error("the HTTP client cannot be set up")]
    HttpClient(#[source] reqwest::Error),
    /// The machine's trusted roots cannot be loaded.
    #[error("this machine's trusted roots cannot be used")]
    TrustedRoots(#[source] rustls::Error),
    /// The host of a URL is not a name that a certificate can have.
    #[error("no certificate can contain the server's name")]
    NoCertificateName(#[source] rustls::pki_types::InvalidDnsNameError),
    /// The table `items` has other columns than `demo init` gives it.
    #[error("`items` has a row with other columns: {row}")]
    OtherColumns { row: String },
    /// A schema that does not parse; `place` says where it is from.
    #[error("{place} is not SQL that the server accepts")]
    NoSql { place: String, source: Said },
    /// A schema with a transaction of its own.
    #[error("{place} contains the statement {word}")]
    TransactionInSchema { place: String, word: &'static str },
    /// A schema without a statement.
    #[error("{place} contains no statement")]
    EmptySchema { place: String },
    /// A namespace has been given another schema before.
    #[error("another schema was applied to `{namespace}` before")]
    OtherSchema { namespace: String, source: Said },
    /// The file of an embedded replica is damaged, or is not a database.
    #[error("{replica} is damaged")]
    Damaged { replica: String, source: Said },
    /// A statement that writes was run on the copy of a database.
    #[error("an embedded replica cannot be written")]
    CopyWritten,
    /// There is no copy to read without the primary.
    #[error("there is no copy in {}", file.display())]
    NoCopy { file: PathBuf, source: Option<Said> },
    /// The primary is away, and there is no copy to read instead.
    #[error("{}", demo_base::error::joined(away.as_ref()))]
    AwayWithoutCopy { away: Box<Self>, source: Said },
    /// The server answers requests, but a sync does not get through to it.
    #[error("{server} answers, but does not let replicas sync")]
    NoSync { server: String, source: Said },
    /// The files of a copy went away while it was made.
    #[error("the replica's files vanished during the sync")]
    CopyVanished,
}

/// The words of a server, a library or a file that explain an error.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Said(pub String);

impl Error {
    /// Whether the server may answer later: it cannot be reached, or reports an internal error.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. } | Self::Unwell { .. })
    }

    /// Whether the server refuses the token or the key, at all or for this.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::TokenRefused { .. }
                | Self::Forbidden { .. }
                | Self::ForbiddenByPrimary { .. }
                | Self::OtherNamespace { .. }
                | Self::KeyRefused { .. }
        )
    }
}
