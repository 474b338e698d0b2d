//! Creates and upgrades the tables.
//!
//! For `SQLite` and libSQL there is a table of versions, read and written inside one
//! `BEGIN IMMEDIATE`, so that if two instances start at once, the second finds the work
//! done. For Postgres and `MySQL`, sqlx's migrator takes a lock of the database.

use std::time::{Duration, Instant};

use libsql::{Connection, TransactionBehavior, Value};

use crate::Error;
use crate::tokens;
use demo_base::error::Result;

/// The statements that lead from one version to the next, without comments.
const SQLITE: [&[&str]; 1] = [&[
    "CREATE TABLE auth_users (
        name TEXT PRIMARY KEY NOT NULL,
        hash TEXT NOT NULL,
        created INTEGER NOT NULL
    )",
    "CREATE TABLE auth_profiles (name TEXT PRIMARY KEY NOT NULL, profile TEXT NOT NULL)",
    "CREATE TABLE auth_tokens (
        id TEXT PRIMARY KEY NOT NULL,
        user_name TEXT NOT NULL,
        digest TEXT NOT NULL,
        label TEXT,
        readonly INTEGER NOT NULL,
        cidrs TEXT NOT NULL,
        created INTEGER NOT NULL,
        expires INTEGER
    )",
    "CREATE INDEX auth_tokens_by_user ON auth_tokens (user_name)",
]];

/// Drops the tables, unless they have rows: in that case the script fails at its second
/// statement, with an integer overflow, and changes nothing.
pub const UNDO: &str = "BEGIN IMMEDIATE;
    SELECT abs(-9223372036854775807 - 1) WHERE EXISTS (SELECT 1 FROM auth_users)
        OR EXISTS (SELECT 1 FROM auth_profiles) OR EXISTS (SELECT 1 FROM auth_tokens);
    DROP TABLE auth_users;
    DROP TABLE auth_profiles;
    DROP TABLE auth_tokens;
    DROP TABLE auth_schema;
    COMMIT;";

/// How long to wait for another instance that migrates.
const PATIENCE: Duration = Duration::from_secs(15);
/// The time between two checks whether the other instance is done.
const PAUSE: Duration = Duration::from_millis(50);

/// Upgrades the tables behind `connection` to the newest version.
///
/// # Errors
/// [`Error::NewerTables`]; the database's own errors.
pub async fn sqlite(connection: &Connection) -> Result<()> {
    let mut ticks = tokio::time::interval(PAUSE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let started = Instant::now();
    // `ready::poll` does not work here: the future of its async closure may not be `Send`.
    loop {
        ticks.tick().await;
        match attempt(connection).await {
            Err(error) if is_busy(&error) && started.elapsed() < PATIENCE => {}
            outcome => return outcome,
        }
    }
}

async fn attempt(connection: &Connection) -> Result<()> {
    // Checked without a transaction, so that up-to-date tables are neither written nor locked.
    if version(connection).await.is_ok_and(|version| version == SQLITE.len()) {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).await?;
    let table = "CREATE TABLE IF NOT EXISTS auth_schema \
                 (version INTEGER PRIMARY KEY NOT NULL, applied INTEGER NOT NULL)";
    transaction.execute(table, ()).await?;
    let have = version(&transaction).await?;
    if have > SQLITE.len() {
        transaction.rollback().await?;
        return Err(Error::NewerTables { found: have, supported: SQLITE.len() }.into());
    }
    for (number, statements) in SQLITE.iter().enumerate().skip(have) {
        for statement in *statements {
            transaction.execute(statement, ()).await?;
        }
        let done = "INSERT INTO auth_schema (version, applied) VALUES (?1, ?2)";
        let number = i64::try_from(number)?.saturating_add(1);
        transaction.execute(done, libsql::params![number, tokens::now()]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn version(connection: &Connection) -> Result<usize> {
    let mut rows = connection.query("SELECT max(version) FROM auth_schema", ()).await?;
    match rows.next().await?.map(|row| row.get_value(0)).transpose()? {
        Some(Value::Integer(version)) => Ok(usize::try_from(version)?),
        _ => Ok(0),
    }
}

/// The database says so only in words.
fn is_busy(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}").to_lowercase();
    error.is::<libsql::Error>()
        && ["locked", "busy", "already exists"].iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(path: &std::path::Path) -> Connection {
        let database = libsql::Builder::new_local(path).build().await.unwrap();
        let connection = database.connect().unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }

    #[tokio::test]
    async fn two_instances_may_start_at_once_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let (first, second) = (open(&path).await, open(&path).await);
        let (one, two) = tokio::join!(sqlite(&first), sqlite(&second));
        one.unwrap();
        two.unwrap();
        sqlite(&first).await.unwrap();
        assert_eq!(version(&second).await.unwrap(), SQLITE.len());
    }

    #[tokio::test]
    async fn tables_are_dropped_only_if_they_are_empty() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder.path().join("a.db")).await;
        sqlite(&connection).await.unwrap();
        connection.execute("INSERT INTO auth_profiles VALUES ('a', '{}')", ()).await.unwrap();
        assert!(connection.execute_batch(UNDO).await.is_err());
        connection.execute("ROLLBACK", ()).await.unwrap();
        assert_eq!(version(&connection).await.unwrap(), SQLITE.len());
        connection.execute("DELETE FROM auth_profiles", ()).await.unwrap();
        connection.execute_batch(UNDO).await.unwrap();
        let left = "SELECT count(*) FROM sqlite_master";
        let mut rows = connection.query(left, ()).await.unwrap();
        let left = rows.next().await.unwrap().unwrap().get_value(0).unwrap();
        assert_eq!(left, Value::Integer(0));
    }

    #[tokio::test]
    async fn tables_of_a_newer_program_do_not_change() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder.path().join("a.db")).await;
        sqlite(&connection).await.unwrap();
        connection.execute("INSERT INTO auth_schema VALUES (99, 0)", ()).await.unwrap();
        let error = sqlite(&connection).await.unwrap_err();
        let found = error.downcast_ref();
        assert!(matches!(found, Some(Error::NewerTables { found: 99, supported: 1 })), "{error}");
    }
}
