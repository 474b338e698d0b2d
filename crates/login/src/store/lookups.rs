//! Token lookups in an `SQLite` file on this machine, which every request needs.
//!
//! Each lookup has its own connection, with a prepared statement. The connections are plain
//! read-only ones, even to the file of an embedded replica: those of the `libsql` crate's
//! replica parse every statement to see whether it may run locally, and their prepared
//! statements cannot be reset (0.10.0).

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::libsql::{Builder, Connection, Database, OpenFlags, Statement, params};

use super::sqlite;
use crate::Error;
use crate::tokens::TokenRecord;
use demo_base::error::Result;

/// How many idle connections are kept. A lookup never yields, so that there are at most as
/// many at once as threads.
const MOST_IDLE: usize = 16;
/// How long one process waits for another one that has locked the file.
pub const BUSY: Duration = Duration::from_secs(5);

/// The file, and its open connections.
pub struct Lookups {
    database: Database,
    sql: String,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// Counts how often the file was replaced.
    epoch: u64,
    lookups: Vec<Lookup>,
}

struct Lookup {
    statement: Statement,
    _connection: Connection,
}

impl Lookups {
    /// Opens the existing file at `path`. With `owned`, a token is valid only while its user
    /// is in the same file.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub async fn open(path: &Path, owned: bool) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let database = Builder::new_local(path).flags(flags).build().await?;
        let lookups = Self { database, sql: sqlite::token_by_id(owned), idle: Mutex::default() };
        let first = lookups.connect().await?;
        lookups.idle().lookups.push(first);
        Ok(lookups)
    }

    /// The token with this id.
    ///
    /// # Errors
    /// When the file cannot be read, and [`Error::WrongToken`].
    pub async fn find(&self, id: &str) -> Result<Option<TokenRecord>> {
        let (epoch, idle) = {
            let mut idle = self.idle();
            (idle.epoch, idle.lookups.pop())
        };
        let lookup = match idle {
            Some(lookup) => lookup,
            None => self.connect().await?,
        };
        let found = sqlite::one_token(lookup.statement.query(params![id]).await?).await?;
        // A statement that is not reset would silently keep its old parameter.
        lookup.statement.reset();
        if found.as_ref().is_some_and(|found| found.id != id) {
            return Err(Error::WrongToken.into());
        }
        let mut idle = self.idle();
        if idle.epoch == epoch && idle.lookups.len() < MOST_IDLE {
            idle.lookups.push(lookup);
        }
        Ok(found)
    }

    /// Opens the file at the path again for later lookups.
    pub fn reopen(&self) {
        let mut idle = self.idle();
        idle.epoch += 1;
        idle.lookups.clear();
    }

    async fn connect(&self) -> Result<Lookup> {
        let connection = self.database.connect()?;
        connection.busy_timeout(BUSY)?;
        Ok(Lookup { statement: connection.prepare(&self.sql).await?, _connection: connection })
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate;

    async fn file(path: &Path, ids: &[&str]) -> Connection {
        let database = Builder::new_local(path).build().await.unwrap();
        let connection = database.connect().unwrap();
        let mut rows = connection.query("PRAGMA journal_mode = WAL", ()).await.unwrap();
        while rows.next().await.unwrap().is_some() {}
        migrate::sqlite(&connection).await.unwrap();
        for id in ids {
            let sql = "INSERT INTO auth_tokens (id, user_name, digest, readonly, cidrs, created) \
                       VALUES (?1, 'alice', ?1, 0, '', 1)";
            connection.execute(sql, params![*id]).await.unwrap();
        }
        connection
    }

    async fn found(lookups: &Lookups, id: &str) -> Option<String> {
        lookups.find(id).await.unwrap().map(|token| token.digest)
    }

    #[tokio::test]
    async fn one_statement_can_be_used_for_several_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.db");
        let writer = file(&path, &["a", "b"]).await;
        let lookups = Lookups::open(&path, false).await.unwrap();
        for id in ["a", "b", "a", "b"] {
            assert_eq!(found(&lookups, id).await.as_deref(), Some(id));
            assert_eq!(found(&lookups, "c").await, None);
        }
        assert_eq!(lookups.idle().lookups.len(), 1, "each lookup uses the same one");
        // It does not keep an old snapshot of the file.
        writer.execute("DELETE FROM auth_tokens WHERE id = 'a'", ()).await.unwrap();
        assert_eq!(found(&lookups, "a").await, None);
        let owned = Lookups::open(&path, true).await.unwrap();
        assert_eq!(found(&owned, "b").await, None, "the user alice does not exist");
    }

    #[tokio::test]
    async fn a_new_file_at_the_path_is_read_after_reopen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.db");
        drop(file(&path, &["a"]).await);
        let lookups = Lookups::open(&path, false).await.unwrap();
        assert_eq!(found(&lookups, "a").await.as_deref(), Some("a"));
        let other = folder.path().join("other.db");
        drop(file(&other, &["b"]).await);
        for end in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(folder.path().join(format!("tokens.db{end}")));
        }
        std::fs::rename(&other, &path).unwrap();
        lookups.reopen();
        assert_eq!(found(&lookups, "a").await, None);
        assert_eq!(found(&lookups, "b").await.as_deref(), Some("b"));
    }
}
