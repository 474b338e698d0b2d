//! The token mint: it takes a login and issues a database token for the user's own
//! namespace.
//!
//! ```text
//! routes --> token_issuer --> login/      is it valid? (JWKS, shared secret, user endpoint)
//!                 --> mapping, template   what does it grant?
//!                 --> namespaces, schema  does the namespace exist?
//!                 --> keyring             sign
//! ```
//!
//! The mint trusts no part of a login before it has verified the signature. It refuses a
//! login with one of the [`refusal::Refusal`]s. It is stateless, so that several mints can
//! run side by side.

pub mod config;
mod error;
mod keyring;
mod login;
mod token_issuer;
#[cfg(fuzzing)]
pub use self::login::fuzzing;
mod mapping;
mod namespaces;
mod refusal;
mod routes;
mod schema;
mod template;
mod values;

pub use self::error::Error;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use self::config::{AdminConfig, Config};
use self::keyring::Keyring;
use self::login::Logins;
use self::namespaces::Namespaces;
use self::routes::Mint;
use self::schema::Schema;
use self::token_issuer::TokenIssuer;
use axum::Router;
use demo_base::error::Result;
use demo_base::files;
use demo_service::listen::Listening;
use demo_service::observe::Metrics;
use demo_sqld_client::admin::Admin;
use demo_sqld_client::hrana::Hrana;
use prometheus_client::metrics::family::Family;

/// Time for one request to the database server.
const SERVER_DEADLINE: Duration = Duration::from_secs(5);
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// A mint whose configuration, keys and schema are valid.
pub struct Service {
    token_issuer: Arc<TokenIssuer>,
    router: Router,
    metrics: Metrics,
}

impl Service {
    /// Reads the files that the configuration names; sends no requests.
    ///
    /// # Errors
    /// [`Error::Schema`] and [`Error::IssuerAddress`]; when a key or the schema cannot be read,
    /// with its path.
    pub async fn new(config: Config) -> Result<Self> {
        let metrics = Metrics::new("mint");
        let keys = Arc::new(Keyring::open(&config.keys)?);
        let logins = Logins::new(&config.login, &metrics)?;
        let created = metrics.counter("namespaces_created", "Namespaces created by this mint");
        let namespaces = namespaces(&config.admin, keys.clone(), created).await?;
        let outcomes = Family::default();
        metrics.register("outcomes", "Requests for a token by outcome", outcomes.clone());
        let proxies = Arc::new(config.limits.trusted_proxies.clone());
        let origins = config.origins.iter().map(|origin| origin.0.clone()).collect();
        let token_issuer = Arc::new(TokenIssuer::new(config, logins, keys.clone(), namespaces));
        let mint = Mint { token_issuer: token_issuer.clone(), keys, outcomes, proxies };
        Ok(Self { token_issuer, router: routes::router(mint, origins, &metrics), metrics })
    }

    /// Fetches the issuer's keys, if it publishes any.
    ///
    /// # Errors
    /// [`Error::IssuerAway`] when it does not answer, [`Error::NoIssuerKeys`] when its answer
    /// has no usable key.
    pub async fn check(&self) -> Result<(), Error> {
        self.token_issuer.check().await
    }

    /// Serves on `listening` until `end` completes, and finishes the running requests.
    ///
    /// # Errors
    /// When the address of the listener is not known.
    pub async fn serve(
        self,
        listening: Listening,
        end: impl Future<Output = ()> + Send,
    ) -> Result<()> {
        let (address, admin) = (listening.address()?, listening.admin());
        let token_issuer = self.token_issuer;
        let beside = tokio::spawn(async move { token_issuer.keep_fresh().await });
        tracing::info!(%address, admin, "listening");
        let outcome = listening.serve(self.router, &self.metrics, None, end).await;
        beside.abort();
        tracing::info!("ended");
        outcome
    }
}

async fn namespaces(
    config: &AdminConfig,
    keys: Arc<Keyring>,
    created: prometheus_client::metrics::counter::Counter,
) -> Result<Namespaces> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_DEADLINE)
        .timeout(SERVER_DEADLINE)
        .build()?;
    let key = config.key.as_ref().map(|key| &key.0);
    let admin = Admin::at(http.clone(), config.url.as_str(), key);
    let schema = match (&config.schema, &config.server) {
        (Some(path), Some(server)) => {
            let text = files::read_text(path, "schema")?;
            let server = Hrana::at(http, server.as_str());
            Some(Schema::new(text, &path.display().to_string(), server).await?)
        }
        _ => None,
    };
    Ok(Namespaces::new(admin, schema, keys, created))
}
