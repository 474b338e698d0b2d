//! What can go wrong with keys, tokens and certificates.

use std::io;
use std::path::PathBuf;

/// What can go wrong with keys, tokens and certificates.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that is made once for a project does not exist yet.
    #[error("there is no {what} at {}", path.display())]
    Missing {
        /// Its role, such as "private key".
        what: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// A file that should be text is not.
    #[error("{} is not a PEM file: it is binary, perhaps DER", path.display())]
    Binary {
        /// Where it is.
        path: PathBuf,
    },
    /// The system refuses an operation on a file of the store.
    #[error("cannot {operation}")]
    Refused {
        /// The operation with its file, as in "lock .local/jwt".
        operation: String,
        /// The system's error.
        source: io::Error,
    },
    /// There are public keys, but not the private key of one of them.
    #[error("{} exists, but the private key {} does not", public.display(), private.display())]
    PrivateKeyMissing {
        /// The file of the public keys.
        public: PathBuf,
        /// Where the private key should be.
        private: PathBuf,
    },
    /// The public key of the signing key is not among those that the servers trust.
    #[error("{} does not hold the public key of {}", public.display(), private.display())]
    Untrusted {
        /// The file of the public keys.
        public: PathBuf,
        /// The file of the signing key.
        private: PathBuf,
    },
    /// The keys cannot be rotated, because servers do not trust the signing key.
    #[error("{} does not hold the public key of {}", public.display(), private.display())]
    UntrustedInRotation {
        /// The file of the public keys.
        public: PathBuf,
        /// The file of the signing key.
        private: PathBuf,
    },
    /// No trusted key has this thumbprint.
    #[error("no public key has the thumbprint `{thumbprint}`")]
    UnknownKey {
        /// The thumbprint that was asked for.
        thumbprint: String,
    },
    /// The signing key cannot be dropped.
    #[error("the key `{thumbprint}` is the active signing key")]
    ActiveKey {
        /// Its thumbprint.
        thumbprint: String,
    },
    /// The record of keys that signed in the past cannot be parsed.
    #[error("the record of the keys {} is damaged", path.display())]
    DamagedRecord {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file for the key of the Admin API contains something else.
    #[error("there is no key in {}", path.display())]
    NoAdminKey {
        /// Where it is.
        path: PathBuf,
    },
    /// The file of a certificate is not a PEM file.
    #[error(transparent)]
    NotPem(demo_sqld::Error),
    /// The file of a certificate contains something else.
    #[error("{file} holds {found}, not a certificate")]
    NotACertificate {
        /// Its name.
        file: String,
        /// What it contains, as in "an EC private key".
        found: String,
    },
    /// A certificate cannot be parsed.
    #[error("{file} holds a damaged certificate")]
    DamagedCertificate {
        /// The name of its file.
        file: String,
        /// The date in it that is out of range.
        source: Option<jiff::Error>,
    },
    /// A certificate or its key cannot be made.
    #[error("{problem}")]
    Unmade {
        /// As in "cannot make a P-256 key".
        problem: String,
        /// What the library for certificates says.
        source: rcgen::Error,
    },
    /// The system clock shows a time that a certificate cannot contain.
    #[error("the system clock is before 1970")]
    ClockBefore1970(#[source] std::num::TryFromIntError),
}
