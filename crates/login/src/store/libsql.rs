//! A libSQL server: users and tokens in its tables, over HTTP; with an embedded
//! replica, tokens are looked up in a local file.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::libsql::{Builder, Connection, Database};
use secrecy::ExposeSecret;

use super::replica::{Found, LocalReplica};
use super::sqlite;
use super::{DEADLINE, Registered, ReplicaCounters, StoreError, Stored};
use crate::Error;
use crate::config::Libsql;
use crate::migrate;
use crate::name::Username;
use crate::profile::Profile;
use crate::tokens::TokenRecord;
use demo_base::error::Result;
use demo_sqld_client::connector::Connector;
use demo_sqld_client::endpoint::Endpoint;

/// How many idle connections to the primary are kept.
const MOST_IDLE: usize = 16;
/// How long an idle connection is kept. The server closes the stream of a connection after
/// 10 s without use, and the next call of the crate then fails.
const IDLE: Duration = Duration::from_secs(5);

/// Runs a call to the primary on a separate connection.
macro_rules! primary {
    ($store:ident, $connection:ident => $call:expr) => {{
        let call = async {
            let $connection = $store.take()?;
            let value = $call.await?;
            Ok(($connection, value))
        };
        $store.within(call).await
    }};
}

/// All writes, and all queries that decide about a login, go to the primary over HTTP.
pub struct LibsqlStore {
    database: Database,
    /// A connection of the crate runs one call at a time.
    idle: Mutex<Vec<(Instant, Connection)>>,
    endpoint: Endpoint,
    replica: Option<LocalReplica>,
}

impl LibsqlStore {
    /// Connects to the server and upgrades the tables.
    ///
    /// # Errors
    /// [`Error::ServerSilent`]; [`Error::Server`] when it refuses the token, has no such
    /// namespace or cannot be reached; as [`LocalReplica::open`].
    pub async fn open(config: &Libsql) -> Result<Self> {
        let endpoint = Endpoint::parse(config.url.expose_secret(), None)?;
        let token = config.token.as_ref().map_or("", |token| token.expose_secret());
        // Without a connector the crate panics, since its `tls` feature is off.
        let database = Builder::new_remote(endpoint.url(), token.to_owned())
            .connector(Connector::new(&endpoint)?)
            .build()
            .await?;
        let idle = Mutex::default();
        let mut store = Self { database, idle, endpoint, replica: None };
        store.prepare().await?;
        if let Some(replica) = &config.replica {
            store.replica = Some(LocalReplica::open(replica, &store.endpoint, token).await?);
        }
        Ok(store)
    }

    /// Connects over HTTP first: this reports a refused token as such, while an embedded
    /// replica would report a timeout.
    async fn prepare(&self) -> Result<()> {
        let connection = self.database.connect()?;
        // This tells a server that refuses the token from one that does not answer.
        self.at_start(async { Ok(connection.query("SELECT 1", ()).await.map(drop)?) }).await?;
        self.at_start(migrate::sqlite(&connection)).await
    }

    async fn at_start(&self, call: impl Future<Output = Result<()>>) -> Result<()> {
        let Ok(outcome) = tokio::time::timeout(3 * DEADLINE, call).await else {
            return Err(Error::ServerSilent { server: self.endpoint.describe() }.into());
        };
        outcome.map_err(|error| match error.downcast_ref::<::libsql::Error>() {
            Some(cause) => {
                let explained = demo_sqld_client::Error::of_crate(cause, &self.endpoint);
                Error::Server(explained).into()
            }
            None => error,
        })
    }

    fn take(&self) -> Result<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match idle.pop() {
            Some((since, connection)) if since.elapsed() < IDLE => connection,
            _ => {
                // The last one is the most recently used, so the others are even older.
                idle.clear();
                self.database.connect()?
            }
        })
    }

    /// The outcome of a call, within its deadline. Its connection is reused only after
    /// success: an aborted call may have left it in an undefined state.
    async fn within<T>(
        &self,
        call: impl Future<Output = Result<(Connection, T)>> + Send,
    ) -> Stored<T> {
        match tokio::time::timeout(DEADLINE, call).await {
            Ok(Ok((connection, value))) => {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                if idle.len() < MOST_IDLE {
                    idle.push((Instant::now(), connection));
                }
                Ok(value)
            }
            Ok(Err(error)) => {
                // The server may have restarted, which breaks the other connections, too.
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
                Err(StoreError::Away(error))
            }
            Err(_elapsed) => {
                let seconds = DEADLINE.as_secs();
                Err(StoreError::Away(anyhow::anyhow!("no answer within {seconds} s")))
            }
        }
    }

    pub async fn hash_of(&self, user: &Username) -> Stored<Option<String>> {
        primary!(self, connection => sqlite::hash_of(&connection, user))
    }

    pub async fn register(
        &self,
        user: &Username,
        hash: &str,
        profile: &Profile,
        most: u64,
    ) -> Stored<Registered> {
        primary!(self, connection => sqlite::register(&connection, user, hash, profile, most))
    }

    pub async fn count_users(&self) -> Stored<u64> {
        primary!(self, connection => sqlite::count_users(&connection))
    }

    pub async fn set_hash(&self, user: &Username, hash: &str) -> Stored<()> {
        primary!(self, connection => sqlite::set_hash(&connection, user, hash))
    }

    pub async fn profile(&self, user: &Username) -> Stored<Profile> {
        primary!(self, connection => sqlite::profile(&connection, user))
    }

    pub async fn set_profile(&self, user: &Username, profile: &Profile) -> Stored<()> {
        primary!(self, connection => sqlite::set_profile(&connection, user, profile))
    }

    /// The embedded replica has the token after its next sync. Until then, lookups go to the
    /// primary, as for every token that the replica does not have.
    pub async fn add_token(&self, token: &TokenRecord) -> Stored<()> {
        primary!(self, connection => sqlite::add_token(&connection, token))?;
        if let Some(replica) = &self.replica {
            replica.sync_soon();
        }
        Ok(())
    }

    pub async fn find_token(&self, id: &str) -> Stored<Option<TokenRecord>> {
        let Some(replica) = &self.replica else { return self.find_remote(id).await };
        match replica.find(id).await {
            Found::Yes(token) => Ok(Some(*token)),
            Found::Revoked => Ok(None),
            Found::AskPrimary => {
                replica.counters.remote.inc();
                match self.find_remote(id).await {
                    // Revoked here while the primary was being asked.
                    Ok(found) if found.is_some() && replica.is_revoked(id) => Ok(None),
                    Ok(found) => Ok(found),
                    Err(error) => replica.find_stale(id).await.map_or(Err(error), |t| Ok(Some(t))),
                }
            }
        }
    }

    async fn find_remote(&self, id: &str) -> Stored<Option<TokenRecord>> {
        primary!(self, connection => sqlite::find_token(&connection, id))
    }

    pub async fn tokens_of(&self, user: &Username) -> Stored<Vec<TokenRecord>> {
        primary!(self, connection => sqlite::tokens_of(&connection, user))
    }

    pub async fn revoke(&self, user: &Username, id: &str) -> Stored<bool> {
        let done = primary!(self, connection => sqlite::revoke(&connection, user, id))?;
        if let (Some(replica), true) = (&self.replica, done) {
            replica.revoked(id);
        }
        Ok(done)
    }

    pub async fn revoke_others(&self, user: &Username, kept: &str) -> Stored<u64> {
        let ended = primary!(self, connection => sqlite::revoke_others(&connection, user, kept))?;
        if let Some(replica) = &self.replica {
            for id in &ended {
                replica.revoked(id);
            }
        }
        Ok(ended.len() as u64)
    }

    /// An embedded replica has the user until its next sync.
    pub async fn remove(&self, user: &Username) -> Stored<bool> {
        primary!(self, connection => sqlite::remove_user(&connection, user))
    }

    /// Syncs the embedded replica repeatedly.
    pub async fn run_in_background(&self) {
        if let Some(replica) = &self.replica {
            replica.run_in_background().await;
        }
    }

    pub fn replica_counters(&self) -> Option<&ReplicaCounters> {
        self.replica.as_ref().map(|replica| &replica.counters)
    }
}
