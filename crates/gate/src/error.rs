//! What can go wrong when the gate reads its configuration.

use std::path::PathBuf;

/// What can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that tokens are compared with is empty.
    #[error("{}: an `issuer` or one of the `operators` is empty", path.display())]
    EmptyName {
        /// The configuration file.
        path: PathBuf,
    },
}
