//! What can be wrong with keys and tokens. No message repeats any of a token or a key.

use crate::pem::NoBlocks;

/// A key or a token that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text has no whole PEM blocks.
    #[error("{place} {why}")]
    Pem {
        /// The origin of the text.
        place: String,
        /// What it has instead.
        why: NoBlocks,
    },
    /// A text is not an Ed25519 private key.
    #[error("{place} {says}")]
    PrivateKey {
        /// The origin of the text.
        place: String,
        /// What it contains instead.
        says: String,
    },
    /// A private key is protected by a passphrase.
    #[error("{place} contains {found}, and demo cannot ask for its passphrase")]
    Passphrase {
        /// The origin of the key.
        place: String,
        /// The kind of key, with its article.
        found: String,
    },
    /// A text is not an Ed25519 public key, or not only such keys.
    #[error("{place} {says}")]
    PublicKey {
        /// The origin of the text.
        place: String,
        /// What it contains instead.
        says: String,
    },
    /// A key in base64url has white space around it.
    #[error("{place} has white space around its key, which the server refuses")]
    WhiteSpace {
        /// The origin of the key.
        place: String,
    },
    /// A file of public keys does not begin with a key.
    #[error("{place} has text before its first key, which the server refuses")]
    TextBefore {
        /// The origin of the keys.
        place: String,
    },
    /// A text is not a token.
    #[error("this is not a JWT: {why}")]
    NoToken {
        /// Why not.
        why: String,
    },
    /// A token cannot be signed.
    #[error("cannot sign the token")]
    Unsigned(#[from] jsonwebtoken::errors::Error),
}
