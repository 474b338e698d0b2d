//! Creates namespaces on first use.
//!
//! A hundred simultaneous first requests ask the server once: one asks, and the others
//! wait for the result. The mint remembers for five minutes that a namespace exists, and
//! then asks the server again. A namespace that was deleted is therefore created again,
//! empty, at the user's next login after that; until then, the server answers 404 to the
//! user's tokens. While the server does not answer, a namespace that existed before counts
//! as existing: the token does not need the server, and a replica may serve its user.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Semaphore;

use super::keyring::Keyring;
use super::refusal::Refusal;
use super::schema::Schema;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::admin::Admin;

/// How long an answer of the server is used.
const FRESH: Duration = Duration::from_secs(300);
/// How many namespaces are remembered; each takes about 200 bytes.
const REMEMBERED: u64 = 100_000;
/// How many namespaces are created at the same time.
const AT_ONCE: usize = 8;
/// How long a login waits for the server if its namespace existed before.
const PATIENCE: Duration = Duration::from_secs(2);

/// The namespaces of one server.
pub struct Namespaces {
    admin: Admin,
    schema: Option<Schema>,
    keys: Arc<Keyring>,
    fresh: Cache<NamespaceName, ()>,
    /// Those that have existed before.
    known: Cache<NamespaceName, ()>,
    room: Semaphore,
    created: Counter,
}

impl Namespaces {
    /// `created` counts the namespaces that this mint creates.
    pub fn new(admin: Admin, schema: Option<Schema>, keys: Arc<Keyring>, created: Counter) -> Self {
        let fresh = Cache::builder().max_capacity(REMEMBERED).time_to_live(FRESH).build();
        let known = Cache::new(REMEMBERED);
        Self { admin, schema, keys, fresh, known, room: Semaphore::new(AT_ONCE), created }
    }

    /// Creates `name`, with its tables, unless it exists.
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
                tracing::warn!(namespace = %name, "no answer about a namespace that existed before");
                self.fresh.insert(name.clone(), ()).await;
                Ok(())
            }
        }
    }

    async fn make(&self, name: &NamespaceName) -> Result<(), Refusal> {
        let _room = self.room.acquire().await.map_err(|_| Refusal::Internal)?;
        let made = self.admin.create(name).await.map_err(|error| {
            let reason = demo_base::error::joined(&error);
            tracing::warn!(namespace = %name, reason, "cannot create the namespace");
            if error.is_away() { Refusal::ServerAway } else { Refusal::ServerRefused }
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
