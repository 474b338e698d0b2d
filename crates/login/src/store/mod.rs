//! Stores users and tokens: one interface to several databases.

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
use crate::Error;
use demo_base::error::Result;

/// Time for every call to a database, since the `libsql` crate may wait forever.
pub(super) const DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);

/// Why a call failed. This goes to the log, never to the client.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, or refuses; it may recover later.
    #[error("the login database does not answer")]
    Away(#[source] anyhow::Error),
    /// The stored data cannot be read; nothing was overwritten.
    #[error("cannot read the login data")]
    Damaged(#[source] anyhow::Error),
}

/// What every call returns.
pub type Stored<T> = std::result::Result<T, StoreError>;

/// The result of a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Registered {
    Done,
    /// The name is already registered.
    Taken,
    /// The limit on users is reached.
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

/// Calls the same function of any store.
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
    /// Opens the database of `config` and upgrades its tables.
    ///
    /// # Errors
    /// When it does not answer, refuses, or has data that cannot be used: [`Error::ServerSilent`],
    /// [`Error::DatabaseRefuses`], [`Error::NewerTables`] and others;
    /// [`Error::Unsupported`].
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
            other => Err(Error::Unsupported { backend: other.to_string() }.into()),
        }
    }

    /// The password hash of a user, if the user exists.
    ///
    /// # Errors
    /// See [`StoreError`].
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

    /// Adds a user, unless there are `most` already. Deletes tokens that an earlier user
    /// of the same name has left.
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

    /// The profile of a user.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn profile(&self, user: &Username) -> Stored<Profile> {
        each!(self, store => store.profile(user).await)
    }

    /// Replaces the profile of a user.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_profile(&self, user: &Username, profile: &Profile) -> Stored<()> {
        each!(self, store => store.set_profile(user, profile).await)
    }

    /// Stores a new token.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn add_token(&self, token: &TokenRecord) -> Stored<()> {
        each!(self, store => store.add_token(token).await)
    }

    /// The record of a token, if it is valid now. The caller must check the address.
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

    /// Deletes a token of a user; `false` when the user has no such token.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn revoke(&self, user: &Username, id: &str) -> Stored<bool> {
        each!(self, store => store.revoke(user, id).await)
    }

    /// Deletes all tokens of a user except the one with the id `kept`; returns how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn revoke_others(&self, user: &Username, kept: &str) -> Stored<u64> {
        each!(self, store => store.revoke_others(user, kept).await)
    }

    /// Deletes a user with the profile and all tokens; `false` when there is no such user.
    /// Leftover data of the name is deleted in any case.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn remove(&self, user: &Username) -> Stored<bool> {
        each!(self, store => store.remove(user).await)
    }

    /// Runs the background sync of an embedded replica and never returns; for other stores,
    /// returns at once.
    pub async fn run_in_background(&self) {
        if let Self::Libsql(store) = self {
            store.run_in_background().await;
        }
    }

    /// The counters of the embedded replica, if there is one.
    pub fn replica_counters(&self) -> Option<&ReplicaCounters> {
        if let Self::Libsql(store) = self { store.replica_counters() } else { None }
    }
}

/// The counters of an embedded replica; clones share them.
#[derive(Clone, Debug, Default)]
pub struct ReplicaCounters {
    pub syncs: Counter,
    pub failed_syncs: Counter,
    /// Lookups that the local file answered, and those that went to the primary.
    pub local: Counter,
    pub remote: Counter,
    /// When the last successful sync began, in seconds since 1970.
    pub synced_at: Gauge,
}
