//! Namespaces on first use.
//!
//! A hundred first requests at once ask the server once: the first one asks, the
//! others wait for its outcome. That a namespace is there is believed for five
//! minutes; then the server is asked again, so one that was deleted comes back,
//! empty, at its user's next login after that (until then his tokens are for a
//! namespace that is not there, and the server answers 404). While the server is
//! away, a namespace that was there before counts as there: the token does not
//! need the server, and its user may be served by a replica.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Semaphore;

use super::keyring::Keyring;
use super::refusal::Refusal;
use super::schema::Schema;
use demo_base::error::Fault;
use demo_base::exit_code::ExitCode;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::admin::Admin;

/// For how long the server's word counts.
const FRESH: Duration = Duration::from_secs(300);
/// How many namespaces are remembered; about 200 bytes each.
const REMEMBERED: u64 = 100_000;
/// Namespaces that are made at the same time.
const AT_ONCE: usize = 8;
/// For how long a namespace that was there before may keep a login waiting.
const PATIENCE: Duration = Duration::from_secs(2);

/// The namespaces of one server.
pub struct Namespaces {
    admin: Admin,
    schema: Option<Schema>,
    keys: Arc<Keyring>,
    fresh: Cache<NamespaceName, ()>,
    /// Those that were there once.
    known: Cache<NamespaceName, ()>,
    room: Semaphore,
    created: Counter,
}

impl Namespaces {
    /// `created` counts those that were made here.
    pub fn new(admin: Admin, schema: Option<Schema>, keys: Arc<Keyring>, created: Counter) -> Self {
        let fresh = Cache::builder().max_capacity(REMEMBERED).time_to_live(FRESH).build();
        let known = Cache::new(REMEMBERED);
        Self { admin, schema, keys, fresh, known, room: Semaphore::new(AT_ONCE), created }
    }

    /// Makes `name`, with its tables, unless it is there.
    ///
    /// # Errors
    /// `ServerAway`, `ServerRefused`, `Schema`.
    pub async fn ensure(&self, name: &NamespaceName) -> Result<(), Refusal> {
        if self.fresh.get(name).await.is_some() {
            return Ok(());
        }
        let asked = self.fresh.try_get_with(name.clone(), self.make(name));
        if !self.known.contains_key(name) {
            asked.await.map_err(|refusal| *refusal)?;
            self.known.insert(name.clone(), ()).await;
            return Ok(());
        }
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(refusal)) if *refusal != Refusal::ServerAway => Err(*refusal),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(namespace = %name, "the server is away; its namespace was there");
                self.fresh.insert(name.clone(), ()).await;
                Ok(())
            }
        }
    }

    async fn make(&self, name: &NamespaceName) -> Result<(), Refusal> {
        let _room = self.room.acquire().await.map_err(|_| Refusal::Internal)?;
        let made = self.admin.create(name).await.map_err(|error| {
            let code = error.downcast_ref::<Fault>().map(Fault::code);
            let reason = format!("{error:#}");
            tracing::warn!(namespace = %name, reason, "the namespace could not be made");
            if code == Some(ExitCode::Unreachable) {
                Refusal::ServerAway
            } else {
                Refusal::ServerRefused
            }
        })?;
        if made {
            self.created.inc();
        }
        let schema = match &self.schema {
            Some(schema) => schema.apply(name, &self.keys).await?,
            None => false,
        };
        if made || schema {
            tracing::info!(namespace = %name, made, schema, "namespace");
        }
        Ok(())
    }
}
