//! The login half of an npm registry: users and bearer tokens, in files on this
//! machine or in one SQL database that several stateless instances share.
//!
//! ```text
//! npm, pnpm --HTTP--> npm/ --> throttle, password, tokens --> store::Store
//!                                              local: htpasswd file + `SQLite` file
//!                                              libsql: remote, and an embedded replica
//!                                              sql: Postgres, `MySQL` (by Cargo feature)
//! ```
//!
//! [`store::Store`] can look tokens up without HTTP, which [`mod@bench`] uses to measure it.

pub mod bench;
pub mod config;
mod error;
pub mod limits;
pub mod migrate;
pub mod name;
pub mod npm;
pub mod password;
pub mod profile;
pub mod store;
pub mod throttle;
pub mod tokens;
mod turns;

pub use self::error::Error;

use std::future::Future;
use std::sync::Arc;

use self::config::Config;
use self::store::Store;
use demo_base::error::Result;
use demo_service::observe::Metrics;

/// Serves logins until `end` completes.
///
/// # Errors
/// When the address is in use; as [`Store::open`]. It does not wait for the database, because
/// a wrong URL is far more often the reason than an outage, and a supervisor starts the
/// instance again.
pub async fn serve(config: Config, end: impl Future<Output = ()> + Send) -> Result<()> {
    let listening = config.listener().bind()?;
    let store = Arc::new(Store::open(&config).await?);
    let (address, admin) = (listening.address()?, listening.admin());
    tracing::info!(%address, admin, backend = %config.backend, "listening");
    if config.max_users.is_none() {
        tracing::info!("registration is closed: auth.htpasswd.max_users is not positive");
    }
    let metrics = Metrics::new("auth");
    let router = npm::router(store.clone(), config.max_users, config.limits.clone(), &metrics);
    let background = async {
        store.run_in_background().await;
        // The service continues if there is no background work.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = listening.serve(router, &metrics, None, end) => outcome,
        () = background => Ok(()),
    }
}
