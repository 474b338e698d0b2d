//! Why a claim cannot be decided.

use demo_base::error::Cause;

/// What can go wrong in this crate. What a probe finds is not an error but its
/// [`crate::Observation`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An experiment could not be carried out, so that it shows nothing.
    #[error("{what}")]
    Experiment {
        /// What did not work.
        what: String,
        /// What was seen instead, if that says more.
        source: Option<Cause>,
    },
    /// A probe needs the server binary, which only the native engine has.
    #[error("this probe runs the server binary itself")]
    NoBinary,
    /// A stack is not laid out as an experiment needs it.
    #[error("{what}")]
    Layout {
        /// What it lacks, as a sentence.
        what: String,
    },
    /// A container lacks a file.
    #[error("no {target} is mounted")]
    NotMounted {
        /// Where the file would be in the container.
        target: String,
    },
    /// The expectations are not valid.
    #[error("{place} cannot be read")]
    ExpectationsUnreadable {
        /// The file, or "the built-in expectations".
        place: String,
        /// What is wrong with them.
        source: serde_json::Error,
    },
    /// The expectations have a format that another version writes.
    #[error("{place} is of version {found}, this demo knows {known}")]
    ExpectationsVersion {
        /// The file, or "the built-in expectations".
        place: String,
        /// The version of the format.
        found: u32,
        /// The one that can be read.
        known: u32,
    },
}

impl Error {
    /// An [`Error::Experiment`] with no more to say.
    pub(crate) fn experiment(what: impl Into<String>) -> Self {
        Self::Experiment { what: what.into(), source: None }
    }

    /// An [`Error::Layout`].
    pub(crate) fn layout(what: impl Into<String>) -> Self {
        Self::Layout { what: what.into() }
    }

    /// An [`Error::Experiment`] that `seen` explains.
    pub(crate) fn experiment_saw(what: impl Into<String>, seen: impl Into<Cause>) -> Self {
        Self::Experiment { what: what.into(), source: Some(seen.into()) }
    }
}
