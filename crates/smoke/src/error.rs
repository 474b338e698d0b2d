//! Why a scenario cannot be carried out.

use demo_base::error::Cause;

/// What can go wrong in this crate. That a check fails is not an error: a report says it.
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
    /// The files that a scenario searches are not on this machine.
    #[error("service `{service}` does not keep its data in a host folder")]
    NoHostFolder {
        /// The service.
        service: String,
    },
}

impl Error {
    /// An [`Error::Experiment`] with no more to say.
    pub(crate) fn experiment(what: impl Into<String>) -> Self {
        Self::Experiment { what: what.into(), source: None }
    }

    /// An [`Error::Experiment`] that `seen` explains.
    pub(crate) fn experiment_saw(what: impl Into<String>, seen: impl Into<Cause>) -> Self {
        Self::Experiment { what: what.into(), source: Some(seen.into()) }
    }
}
