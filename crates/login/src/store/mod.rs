//! Where users and tokens are kept: one interface, a database behind it.

mod htpasswd;
#[cfg(fuzzing)]
pub use self::htpasswd::fuzz as fuzz_htpasswd;
mod libsql;
mod local;
mod lookups;
mod replica;
#[cfg(any(feature = "backend-postgres", feature = "backend-mysql"))]
mod sql;
mod sqlite;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use self::local::LocalStore;
use super::config::{Backend, Config};
use super::name::Username;
use super::profile::Profile;
use super::tokens::{Presented, TokenRecord};
use demo_base::error::Result;

/// For every call to a database: the `libsql` crate may wait for ever.
pub(super) const DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);

/// Why nothing came of a call. It reaches the log, never the client.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, or refuses: later it may be well again.
    #[error("the login database is away")]
    Away(#[source] anyhow::Error),
    /// What is kept cannot be read; nothing was written over it.
    #[error("the login data cannot be read")]
    Damaged(#[source] anyhow::Error),
}

/// What every call returns.
pub type Stored<T> = std::result::Result<T, StoreError>;

/// What became of a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Registered {
    Done,
    /// Somebody has the name.
    Taken,
    /// There are as many users as there may be.
    Full,
}

/// A table of users and a table of tokens.
pub enum Store {
    Local(Box<LocalStore>),
    Libsql(Box<libsql::LibsqlStore>),
    #[cfg(feature = "backend-postgres")]
    Postgres(sql::postgres::PostgresStore),
    #[cfg(feature = "backend-mysql")]
    Mysql(sql::mysql::MysqlStore),
}

/// Calls the same function of whichever store it is.
macro_rules! each {
    ($store:expr, $inner:ident => $call:expr) => {
        match $store {
            Store::Local($inner) => $call,
            Store::Libsql($inner) => $call,
            #[cfg(feature = "backend-postgres")]
            Store::Postgres($inner) => $call,
            #[cfg(feature = "backend-mysql")]
            Store::Mysql($inner) => $call,
        }
    };
}

impl Store {
    /// Opens the database of `config` and brings its tables up to date. With an
    /// embedded replica, its background sync runs until the store is dropped.
    ///
    /// # Errors
    /// Exit 3 when it does not answer, 4 when it refuses, 2 when what is there
    /// cannot be used.
    pub async fn open(config: &Config) -> Result<Self> {
        match &config.backend {
            Backend::Local(files) => {
                LocalStore::open(files).await.map(|store| Self::Local(Box::new(store)))
            }
            Backend::Libsql(libsql) => {
                libsql::LibsqlStore::open(libsql).await.map(|store| Self::Libsql(Box::new(store)))
            }
            #[cfg(feature = "backend-postgres")]
            Backend::Postgres(sql) => {
                sql::postgres::PostgresStore::open(sql).await.map(Self::Postgres)
            }
            #[cfg(feature = "backend-mysql")]
            Backend::Mysql(sql) => sql::mysql::MysqlStore::open(sql).await.map(Self::Mysql),
            #[allow(
                unreachable_patterns,
                reason = "with every feature on, nothing is left; Config::load names the feature"
            )]
            other => {
                Err(demo_base::error::Fault::input(format!("{other} was not built in")).into())
            }
        }
    }

    /// The password hash of a user, if there is such a user.
    ///
    /// # Errors
    /// See [`StoreError`]; so for every function below.
    pub async fn hash_of(&self, user: &Username) -> Stored<Option<String>> {
        each!(self, store => store.hash_of(user).await)
    }

    /// How many users there are.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn count_users(&self) -> Stored<u64> {
        each!(self, store => store.count_users().await)
    }

    /// Adds a user, unless there are `most` already. Tokens that an earlier user
    /// of the same name has left are gone then.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn register(
        &self,
        user: &Username,
        hash: &str,
        profile: &Profile,
        most: u64,
    ) -> Stored<Registered> {
        each!(self, store => store.register(user, hash, profile, most).await)
    }

    /// Replaces the password hash of a user.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_hash(&self, user: &Username, hash: &str) -> Stored<()> {
        each!(self, store => store.set_hash(user, hash).await)
    }

    /// What the user has told about himself.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn profile(&self, user: &Username) -> Stored<Profile> {
        each!(self, store => store.profile(user).await)
    }

    /// Replaces it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_profile(&self, user: &Username, profile: &Profile) -> Stored<()> {
        each!(self, store => store.set_profile(user, profile).await)
    }

    /// Keeps a new token.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn add_token(&self, token: &TokenRecord) -> Stored<()> {
        each!(self, store => store.add_token(token).await)
    }

    /// The record of a token that is valid now. Addresses are the caller's to check.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn look_up(&self, token: &Presented) -> Stored<Option<TokenRecord>> {
        let record = each!(self, store => store.find_token(token.id()).await)?;
        Ok(record.filter(|record| record.admits(token)))
    }

    /// All tokens of a user, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn tokens_of(&self, user: &Username) -> Stored<Vec<TokenRecord>> {
        each!(self, store => store.tokens_of(user).await)
    }

    /// Forgets a token of a user; `false` when he has no such token.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn revoke(&self, user: &Username, id: &str) -> Stored<bool> {
        each!(self, store => store.revoke(user, id).await)
    }

    /// Ends all tokens of a user but the one with the id `kept`; returns how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn revoke_others(&self, user: &Username, kept: &str) -> Stored<u64> {
        each!(self, store => store.revoke_others(user, kept).await)
    }

    /// Takes a user away with his profile and all his tokens; `false` when there
    /// is no such user. What else was kept of him is gone then, too.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn remove(&self, user: &Username) -> Stored<bool> {
        each!(self, store => store.remove(user).await)
    }

    /// Looks after itself until it is dropped: the background sync of an
    /// embedded replica; for other stores this ends at once.
    pub async fn run_in_background(&self) {
        if let Self::Libsql(store) = self {
            store.run_in_background().await;
        }
    }

    /// What an embedded replica counts, if there is one.
    pub fn replica_counters(&self) -> Option<&ReplicaCounters> {
        if let Self::Libsql(store) = self { store.replica_counters() } else { None }
    }
}

/// What an embedded replica counts. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct ReplicaCounters {
    pub syncs: Counter,
    pub failed_syncs: Counter,
    /// Lookups that the local file answered, and those that went to the primary.
    pub local: Counter,
    pub remote: Counter,
    /// When the last sync that worked began, in seconds since 1970.
    pub synced_at: Gauge,
}
