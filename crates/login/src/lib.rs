//! The login half of an npm registry: users and bearer tokens, in files of this
//! machine or in one SQL database that several stateless instances share.
//!
//! ```text
//! npm, pnpm --HTTP--> npm/ --> throttle, password, tokens --> store::Store
//!                                              local: htpasswd file + `SQLite` file
//!                                              libsql: remote, and an embedded replica
//!                                              sql: Postgres, `MySQL` (by Cargo feature)
//! ```
//!
//! [`store::Store`] stands alone: a token is looked up without HTTP. [`mod@bench`] measures it so.

pub mod bench;
pub mod config;
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

use std::future::Future;
use std::sync::Arc;

use self::config::Config;
use self::store::Store;
use demo_base::error::Result;
use demo_service::observe::Metrics;

/// Serves logins until `end` is done.
///
/// # Errors
/// Exit 2 when the address is taken or the files are damaged, 3 when the database
/// does not answer, 4 when it refuses: a wrong URL is far more often the reason
/// than an outage, and whoever supervises the instance starts it again.
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
        // The service goes on when there is nothing to look after.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = listening.serve(router, &metrics, None, end) => outcome,
        () = background => Ok(()),
    }
}
