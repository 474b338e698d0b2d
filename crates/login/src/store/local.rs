//! Stores users in an htpasswd file, and tokens and profiles in an `SQLite` file beside it.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use ::libsql::{Builder, Connection, Database};
use tokio::sync::Mutex;

use super::htpasswd::Htpasswd;
use super::lookups::{BUSY, Lookups};
use super::sqlite;
use super::{Registered, StoreError, Stored};
use crate::Error;
use crate::config::Files;
use crate::migrate;
use crate::name::Username;
use crate::profile::Profile;
use crate::tokens::{self, TokenRecord};
use demo_base::error::Result;
use demo_base::files;

/// Files on one machine, which several of its processes may have open.
pub struct LocalStore {
    users: Arc<Htpasswd>,
    lookups: Lookups,
    reader: Connection,
    writer: Mutex<Connection>,
    /// The connections need it.
    _database: Database,
}

impl LocalStore {
    /// Opens the files, and creates missing ones.
    ///
    /// # Errors
    /// [`Error::TokenFileDamaged`], [`Error::UserFileMalformed`], [`Error::NewerTables`]; when a
    /// file cannot be created.
    pub async fn open(places: &Files) -> Result<Self> {
        for file in [&places.htpasswd, &places.tokens] {
            // An existing folder keeps its mode.
            if let Some(folder) = file.parent().filter(|folder| !folder.exists()) {
                files::create_dir(folder, files::MODE_SECRET_DIR)?;
            }
        }
        let users = Arc::new(Htpasswd::open(&places.htpasswd)?);
        let path = &places.tokens;
        let (database, reader, writer) = tables(path).await.map_err(|error| {
            // Any other error is what SQLite says about the file.
            if error.is::<Error>() || error.is::<demo_base::Error>() {
                return error;
            }
            let source = format!("{error:#}").into();
            Error::TokenFileDamaged { path: path.clone(), source }.into()
        })?;
        let lookups = Lookups::open(path, false).await?;
        Ok(Self { users, lookups, reader, writer: Mutex::new(writer), _database: database })
    }

    pub async fn hash_of(&self, user: &Username) -> Stored<Option<String>> {
        let (users, user) = (self.users.clone(), user.clone());
        blocking(move || Ok(users.users()?.hash_of(user.as_str()).map(str::to_owned))).await
    }

    pub async fn count_users(&self) -> Stored<u64> {
        let users = self.users.clone();
        blocking(move || Ok(users.users()?.count())).await
    }

    pub async fn register(
        &self,
        user: &Username,
        hash: &str,
        profile: &Profile,
        most: u64,
    ) -> Stored<Registered> {
        let (users, name, hash) = (self.users.clone(), user.clone(), hash.to_owned());
        let writer = self.writer.lock().await;
        let before = tokens::now();
        if users.users().map_err(StoreError::Damaged)?.hash_of(user.as_str()).is_none() {
            let forgotten = sqlite::forget_tokens(&writer, user, before).await;
            forgotten.map_err(StoreError::Damaged)?;
        }
        let done = blocking(move || users.add(&name, &hash, most)).await?;
        if done == Registered::Done {
            sqlite::set_profile(&writer, user, profile).await.map_err(StoreError::Damaged)?;
        }
        Ok(done)
    }

    pub async fn set_hash(&self, user: &Username, hash: &str) -> Stored<()> {
        let (users, user, hash) = (self.users.clone(), user.clone(), hash.to_owned());
        blocking(move || users.replace(&user, &hash)).await
    }

    pub async fn profile(&self, user: &Username) -> Stored<Profile> {
        sqlite::profile(&self.reader, user).await.map_err(StoreError::Damaged)
    }

    pub async fn set_profile(&self, user: &Username, profile: &Profile) -> Stored<()> {
        let writer = self.writer.lock().await;
        sqlite::set_profile(&writer, user, profile).await.map_err(StoreError::Damaged)
    }

    pub async fn add_token(&self, token: &TokenRecord) -> Stored<()> {
        let writer = self.writer.lock().await;
        sqlite::add_token(&writer, token).await.map_err(StoreError::Damaged)
    }

    /// A token is not valid if the operator has removed its user from the htpasswd file.
    pub async fn find_token(&self, id: &str) -> Stored<Option<TokenRecord>> {
        let found = self.lookups.find(id).await;
        let found = found.map_err(StoreError::Damaged)?;
        let users = self.users.users().map_err(StoreError::Damaged)?;
        Ok(found.filter(|token| users.hash_of(&token.user).is_some()))
    }

    pub async fn tokens_of(&self, user: &Username) -> Stored<Vec<TokenRecord>> {
        sqlite::tokens_of(&self.reader, user).await.map_err(StoreError::Damaged)
    }

    pub async fn revoke(&self, user: &Username, id: &str) -> Stored<bool> {
        let writer = self.writer.lock().await;
        sqlite::revoke(&writer, user, id).await.map_err(StoreError::Damaged)
    }

    pub async fn revoke_others(&self, user: &Username, kept: &str) -> Stored<u64> {
        let writer = self.writer.lock().await;
        let ended = sqlite::revoke_others(&writer, user, kept).await;
        ended.map(|ids| ids.len() as u64).map_err(StoreError::Damaged)
    }

    pub async fn remove(&self, user: &Username) -> Stored<bool> {
        let (users, name) = (self.users.clone(), user.clone());
        let writer = self.writer.lock().await;
        // Delete the user first: that invalidates its tokens.
        let was_there = blocking(move || users.remove(&name)).await?;
        sqlite::forget_all(&writer, user).await.map_err(StoreError::Damaged)?;
        Ok(was_there)
    }
}

/// Opens the `SQLite` file with libSQL's own `SQLite`, since a second one must not be linked.
async fn tables(path: &Path) -> Result<(Database, Connection, Connection)> {
    let _alone = alone(path).await?;
    let new = !path.exists();
    if new {
        // SQLite would create it with a mode that lets all users read it.
        files::write_atomic(path, b"", files::MODE_SECRET)?;
    }
    not_cut_off(path)?;
    let database = Builder::new_local(path).build().await?;
    let (reader, writer) = (database.connect()?, database.connect()?);
    for connection in [&reader, &writer] {
        connection.busy_timeout(BUSY)?;
    }
    let mut rows = writer.query("PRAGMA journal_mode = WAL", ()).await?;
    while rows.next().await?.is_some() {}
    // An acknowledged commit must be on disk.
    writer.execute("PRAGMA synchronous = FULL", ()).await?;
    whole(&writer).await?;
    migrate::sqlite(&writer).await?;
    Ok((database, reader, writer))
}

/// Makes sure that only one process opens the file at a time. If two processes found no
/// file, the later one would replace the other's file with an empty one; and the change to
/// WAL does not wait for a lock, whatever `BUSY` says. The lock ends when the returned file
/// is dropped, or with the process.
async fn alone(path: &Path) -> Result<std::fs::File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let locked = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::options().create(true).truncate(false).write(true).open(&name)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    });
    Ok(locked.await??)
}

/// Checks that the file was not cut off. `SQLite` treats a file that is shorter than a page
/// as an empty database, and would overwrite it.
fn not_cut_off(path: &Path) -> Result<()> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(());
    }
    let mut head = [0; 100];
    let page = match file.read_exact(&mut head) {
        Ok(()) if head.starts_with(b"SQLite format 3\0") => {
            match u16::from_be_bytes([head[16], head[17]]) {
                1 => 65536,
                size => u64::from(size),
            }
        }
        _ => anyhow::bail!("it is not an SQLite file"),
    };
    if page < 512 || length % page != 0 {
        anyhow::bail!("it is cut off: {length} bytes are not a whole number of pages");
    }
    Ok(())
}

async fn whole(connection: &Connection) -> Result<()> {
    let mut rows = connection.query("PRAGMA quick_check(1)", ()).await?;
    match rows.next().await?.map(|row| row.get_value(0)).transpose()? {
        Some(::libsql::Value::Text(text)) if text == "ok" => Ok(()),
        Some(::libsql::Value::Text(text)) => Err(anyhow::anyhow!("{text}")),
        _ => Err(anyhow::anyhow!("PRAGMA quick_check returned nothing")),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Stored<T> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.map_err(|error| StoreError::Away(error.into()))?.map_err(StoreError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 6)]
    async fn several_instances_may_open_new_files_at_once() {
        for _ in 0..10 {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name);
            let files = Files { htpasswd: path("htpasswd"), tokens: path("tokens.db") };
            let opening = (0..6).map(|_| {
                let files = files.clone();
                tokio::spawn(async move { LocalStore::open(&files).await.map(drop) })
            });
            for opened in futures::future::join_all(opening).await {
                opened.unwrap().unwrap();
            }
        }
    }
}
