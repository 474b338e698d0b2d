//! What can go wrong with the configuration, the databases and the benchmark. Why a single call
//! to a database failed is a [`StoreError`].

use std::io;
use std::path::PathBuf;

use demo_base::error::Cause;

use crate::name::Username;
use crate::store::StoreError;

/// What can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration file names several databases.
    #[error("{file}: `backend` names more than one: {named}")]
    ManyDatabases {
        /// The configuration file.
        file: String,
        /// The databases.
        named: String,
    },
    /// The configuration file has a `backend` without a database.
    #[error("{file}: `backend` names no database")]
    NoDatabase {
        /// The configuration file.
        file: String,
    },
    /// The configuration file names a database that this build does not support.
    #[error("{file}: `backend.{key}`: this `demo` was built without backend-{database}")]
    NotBuilt {
        /// The configuration file.
        file: String,
        /// The database, as the file names it.
        key: &'static str,
        /// The database, as the Cargo feature names it.
        database: &'static str,
    },
    /// A replica that does not exist is to serve stale answers.
    #[error("{file}: `backend.libsql.serveStaleSecs` needs `replicaPath`")]
    StaleWithoutReplica {
        /// The configuration file.
        file: String,
    },
    /// The URL of a database has the wrong scheme.
    #[error("{file}: `backend.{key}.url`: it must begin with {expected}")]
    UrlScheme {
        /// The configuration file.
        file: String,
        /// The database, as the file names it.
        key: &'static str,
        /// The schemes that it may have.
        expected: String,
    },
    /// A backend that this build does not support.
    #[error("this `demo` was built without {backend}")]
    Unsupported {
        /// The backend.
        backend: String,
    },
    /// A newer program has created the tables.
    #[error("the login tables have version {found}, but this `demo` supports {supported}")]
    NewerTables {
        /// The version of the tables.
        found: usize,
        /// The newest version that is known here.
        supported: usize,
    },
    /// A stored list of networks is not valid.
    #[error("the database has a damaged list of networks")]
    DamagedNetworks(#[source] ipnet::AddrParseError),
    /// A stored value has the wrong type.
    #[error("column {column} of a login table has a value of the wrong type")]
    WrongType {
        /// The number of the column, from 0.
        column: i32,
    },
    /// A lookup returned another token than the one that was asked for.
    #[error("the lookup returned a different token")]
    WrongToken,
    /// The file with the tokens is not a whole `SQLite` database.
    #[error("the token file {} is damaged", path.display())]
    TokenFileDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Cause,
    },
    /// The file with the users has a malformed line.
    #[error("{}: line {line}: {reason}", path.display())]
    UserFileMalformed {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it, without its content.
        reason: &'static str,
    },
    /// The lock of the file with the users cannot be taken.
    #[error("cannot lock {}", path.display())]
    UserFileUnlockable {
        /// The lock file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The libSQL server did not answer in time.
    #[error("{server} does not answer")]
    ServerSilent {
        /// The server.
        server: String,
    },
    /// The libSQL server refuses, or cannot be reached.
    #[error(transparent)]
    Server(demo_sqld_client::Error),
    /// The file of the embedded replica cannot be used.
    #[error("cannot use the embedded replica {}", path.display())]
    ReplicaUnusable {
        /// The file.
        path: PathBuf,
        /// The client's error.
        source: libsql::Error,
    },
    /// The server does not answer requests for replication.
    #[error("{server} does not sync embedded replicas")]
    ReplicaNotServed {
        /// The server.
        server: String,
        /// The client's error.
        source: libsql::Error,
    },
    /// The first sync of the embedded replica took too long.
    #[error("{server} did not sync {} in time", path.display())]
    ReplicaLate {
        /// The server.
        server: String,
        /// The file of the replica.
        path: PathBuf,
    },
    /// The URL of a Postgres or `MySQL` database is not valid.
    #[error("`backend.{key}.url` is not a database URL")]
    DatabaseUrl {
        /// The database, as the configuration file names it.
        key: &'static str,
    },
    /// A Postgres or `MySQL` database refuses the user or the password.
    #[error("the database refuses the user or the password")]
    DatabaseRefuses {
        /// The database, as the configuration file names it.
        key: &'static str,
        /// The driver's error.
        source: Cause,
    },
    /// There is no such Postgres or `MySQL` database.
    #[error("the database does not exist")]
    DatabaseMissing {
        /// The database, as the configuration file names it.
        key: &'static str,
        /// The driver's error.
        source: Cause,
    },
    /// A Postgres or `MySQL` database does not answer.
    #[error("the database does not answer")]
    DatabaseSilent {
        /// The database, as the configuration file names it.
        key: &'static str,
        /// The driver's error.
        source: Cause,
    },
    /// The temporary user of the benchmark could not be registered.
    #[error("the user {user} was not registered")]
    NotRegistered {
        /// The user.
        user: Username,
    },
    /// The temporary user of the benchmark could not be removed.
    #[error("the user {user} is still in the database")]
    NotRemoved {
        /// The user.
        user: Username,
        /// Why.
        source: StoreError,
    },
    /// A database failed during a measurement.
    #[error("the database stopped answering during the measurement")]
    StoppedAnswering(#[source] StoreError),
    /// A token that the benchmark has created is not valid.
    #[error("a token that was just created is not found")]
    NewTokenMissing,
    /// A token that the benchmark has revoked stays valid.
    #[error("a revoked token is still accepted after {seconds} s")]
    StillAccepted {
        /// How long it was looked up.
        seconds: u64,
    },
}
