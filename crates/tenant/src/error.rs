//! What can go wrong with tenants.

use std::path::PathBuf;

use demo_base::error::Cause;

/// What can go wrong with tenants.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no trace of a tenant.
    #[error("there is no tenant `{name}`")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A tenant that was to be created exists.
    #[error("the tenant `{name}` already exists")]
    Exists {
        /// Its name.
        name: String,
    },
    /// An earlier tenant of that name has left something behind.
    #[error("an earlier tenant `{name}` is not completely removed")]
    Remains {
        /// Its name.
        name: String,
        /// What is left.
        source: Cause,
    },
    /// A replica does not stop following a tenant that is gone.
    #[error("{replica} keeps asking its primary for `{name}`")]
    Followed {
        /// The service.
        replica: String,
        /// The name of the tenant.
        name: String,
        /// How much it has written to its log about that.
        source: Cause,
    },
    /// The registry of tenants cannot be parsed.
    #[error("the registry of tenants {} is damaged", path.display())]
    DamagedRegistry {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with its JSON; `None` if that is right, but not of this version.
        source: Option<serde_json::Error>,
    },
    /// The Admin API does not give its metrics to the holder of this key.
    #[error("the Admin API refused the key")]
    KeyRefused,
    /// The Admin API does not give its metrics.
    #[error("/metrics of the Admin API answered {status}")]
    NoMetrics {
        /// The HTTP status.
        status: u16,
    },
}
