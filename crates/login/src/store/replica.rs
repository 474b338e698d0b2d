//! The embedded replica: a copy of the tables in a file on this machine.
//!
//! It answers for tokens that it has, as long as its last sync is not older than the
//! configured interval. Lookups of other tokens go to the primary. A token that was created
//! elsewhere is therefore known at once, and only a revocation may be late, by at most the
//! interval.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ::libsql::{Builder, Database};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::ReplicaCounters;
use super::lookups::Lookups;
use crate::Error;
use crate::config::Replica;
use crate::tokens::{self, TokenRecord};
use demo_base::error::Result;
use demo_base::files;
use demo_sqld_client::connector::Connector;
use demo_sqld_client::endpoint::Endpoint;

/// Time for a sync, in which the crate retries. An aborted sync may have copied a part.
const SYNC_DEADLINE: Duration = Duration::from_secs(10);
/// Time for the first sync, which copies the whole database.
const FIRST_SYNC_DEADLINE: Duration = Duration::from_secs(120);

/// What the local file says about a token.
pub enum Found {
    Yes(Box<TokenRecord>),
    /// It was revoked on this instance.
    Revoked,
    /// The file does not have the token, or is too old to use.
    AskPrimary,
}

/// The file, and how old it is.
pub struct LocalReplica {
    database: Database,
    /// Opened again after each sync that brought changes: after a crash of the primary, a
    /// sync replaces the whole database with new files.
    lookups: Lookups,
    interval: Option<Duration>,
    serve_stale: Duration,
    /// When the last successful sync began.
    synced: RwLock<Instant>,
    /// Whether the last sync failed.
    away: AtomicBool,
    /// Tokens that were revoked here and may still be in the file, with the time of the
    /// revocation.
    revoked: Mutex<HashMap<String, Instant>>,
    wanted: Notify,
    pub counters: ReplicaCounters,
}

impl LocalReplica {
    /// Opens the file, which is created if it is missing, and syncs it once.
    ///
    /// # Errors
    /// [`Error::ReplicaUnusable`] when the file cannot be used, [`Error::ReplicaNotServed`] or
    /// [`Error::ReplicaLate`] when it cannot be synced with the primary.
    pub async fn open(config: &Replica, endpoint: &Endpoint, token: &str) -> Result<Self> {
        if let Some(folder) = config.path.parent().filter(|folder| !folder.exists()) {
            files::create_dir(folder, files::MODE_SECRET_DIR)?;
        }
        let path = || config.path.clone();
        let unusable = |source| Error::ReplicaUnusable { path: path(), source };
        let builder = Builder::new_remote_replica(&config.path, endpoint.url(), token.to_owned())
            .connector(Connector::new(endpoint)?)
            .read_your_writes(false);
        let database = builder.build().await.map_err(unusable)?;
        let began = Instant::now();
        match tokio::time::timeout(FIRST_SYNC_DEADLINE, database.sync()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) if error.to_string().contains("handshake") => {
                // A refused token gives the same error, but the server has accepted it over
                // HTTP.
                let server = endpoint.describe();
                return Err(Error::ReplicaNotServed { server, source: error }.into());
            }
            Ok(Err(error)) => return Err(unusable(error).into()),
            Err(_elapsed) => {
                let server = endpoint.describe();
                return Err(Error::ReplicaLate { server, path: path() }.into());
            }
        }
        let lookups = Lookups::open(&config.path, true).await?;
        let replica = Self {
            database,
            lookups,
            interval: config.interval,
            serve_stale: config.serve_stale,
            synced: RwLock::new(began),
            away: AtomicBool::new(false),
            revoked: Mutex::default(),
            wanted: Notify::new(),
            counters: ReplicaCounters::default(),
        };
        replica.count_sync(began);
        if config.interval.is_none() {
            tracing::warn!("no background sync: revocations on other instances may go unnoticed");
        }
        Ok(replica)
    }

    /// Looks a token up in the file, if the file is recent enough.
    pub async fn find(&self, id: &str) -> Found {
        if self.is_revoked(id) {
            return Found::Revoked;
        }
        let young = self.interval.is_none_or(|interval| self.age() <= interval);
        if young && let Some(token) = self.read(id).await {
            return Found::Yes(Box::new(token));
        }
        if !young
            && self.away.load(Ordering::Relaxed)
            && let Some(token) = self.find_stale(id).await
        {
            // Do not wait for a primary that has just failed to answer.
            return Found::Yes(Box::new(token));
        }
        Found::AskPrimary
    }

    /// Looks a token up in the file while the primary does not answer, if the configuration
    /// allows that.
    pub async fn find_stale(&self, id: &str) -> Option<TokenRecord> {
        let bound = self.interval.map(|interval| interval + self.serve_stale)?;
        let allowed = !self.serve_stale.is_zero() && self.age() <= bound && !self.is_revoked(id);
        if allowed { self.read(id).await } else { None }
    }

    /// An error counts as not found, since the primary is asked then.
    async fn read(&self, id: &str) -> Option<TokenRecord> {
        let found = self.lookups.find(id).await;
        if let Err(error) = &found {
            tracing::warn!(%error, "cannot read the embedded replica");
        }
        let found = found.ok().flatten();
        if found.is_some() {
            self.counters.local.inc();
        }
        found
    }

    /// Notes that the token was revoked, so that this instance ignores it in the file.
    pub fn revoked(&self, id: &str) {
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.insert(id.to_owned(), Instant::now());
        drop(revoked);
        self.sync_soon();
    }

    pub fn is_revoked(&self, id: &str) -> bool {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// Asks for a sync before the next regular one.
    pub fn sync_soon(&self) {
        self.wanted.notify_one();
    }

    /// Syncs at the interval, and after writes of this instance.
    pub async fn run_in_background(&self) {
        // A little early, so that the file is always recent enough if the syncs succeed.
        let period = self.interval.map(|interval| interval * 9 / 10);
        let mut ticks = interval(period.unwrap_or(Duration::from_secs(3600)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick(), if period.is_some() => {}
                () = self.wanted.notified() => {}
            }
            self.sync().await;
        }
    }

    async fn sync(&self) {
        let began = Instant::now();
        let failure = match tokio::time::timeout(SYNC_DEADLINE, self.database.sync()).await {
            Ok(Ok(done)) if done.frames_synced() == 0 => None,
            Ok(Ok(_)) => {
                self.lookups.reopen();
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(_elapsed) => Some("it took too long".to_owned()),
        };
        let was_away = self.away.swap(failure.is_some(), Ordering::Relaxed);
        if let Some(error) = failure {
            self.counters.failed_syncs.inc();
            // Log each outage once.
            if !was_away {
                tracing::warn!(error, "the embedded replica does not sync");
            }
            return;
        }
        if was_away {
            tracing::info!("the embedded replica syncs again");
        }
        self.count_sync(began);
        *self.synced.write().unwrap_or_else(PoisonError::into_inner) = began;
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.retain(|_, since| *since >= began);
    }

    fn count_sync(&self, began: Instant) {
        self.counters.syncs.inc();
        let age = i64::try_from(began.elapsed().as_secs()).unwrap_or(i64::MAX);
        self.counters.synced_at.set(tokens::now() / 1000 - age);
    }

    fn age(&self) -> Duration {
        self.synced.read().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}
