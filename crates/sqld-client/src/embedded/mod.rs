//! An embedded replica: a copy of a database in a file, read without a server.
//!
//! The copy is a cache. It is fetched again when it cannot be trusted, and a [`Notice`] tells what
//! happened. A file that may not be a replica is never removed, only renamed.

mod bring;
mod files;
mod preflight;
pub mod pull;
mod query;
mod record;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use libsql::{Builder, OpenFlags};
use secrecy::SecretString;

use self::files::Files;
use self::preflight::Answer;
use self::record::Found;
use super::Client;
use super::endpoint::Endpoint;
use super::error::{Error, Said};
use crate::hrana::Hrana;
use demo_base::error::{Result, find};
use demo_sqld::namespace::NamespaceName;

pub use self::files::replicas;
pub(crate) use self::query::{query, run};

pub use self::query::Outcome;

/// Where the copy comes from.
pub struct Source {
    pub endpoint: Endpoint,
    pub token: SecretString,
    /// The same database over HTTP, with the token and without it.
    pub hrana: Hrana,
    pub anonymous: Hrana,
}

impl Source {
    /// A client for the database itself.
    pub fn client(&self) -> Client {
        Client::server(self.hrana.clone(), self.endpoint.clone())
    }
}

/// How stale the data may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// Current; if the primary is away, the last copy.
    Latest,
    /// Current; an error if the primary is away.
    Demanded,
    /// As of the last sync, if that is at most this long ago.
    Within(Duration),
    /// As of the last sync, whenever that was; the primary is not contacted.
    Offline,
}

/// What the user must be told in addition to the result.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Notice {
    /// The primary is away, so the data is from the last sync.
    Stale { why: String, synced_at: Timestamp },
    /// The copy was discarded and fetched again.
    FetchedAgain { why: String },
    /// The file was not a replica; it has been renamed.
    SetAside { file: PathBuf },
    /// The primary has the write, but the copy does not.
    Behind { why: String },
}

/// The result of a sync.
#[derive(Clone, Debug)]
pub struct Synced {
    /// Replication indexes; `None` without a copy, and for a database without a write.
    pub index_before: Option<u64>,
    pub index_after: Option<u64>,
    /// The number of pages that were transferred.
    pub frames: usize,
    pub took: Duration,
    /// Why the whole database was fetched although a copy existed.
    pub fetched_again: Option<String>,
}

/// A replica that is locked for this command until it is dropped.
pub struct Replica {
    files: Files,
    source: Source,
    notices: Vec<Notice>,
    /// Whether the primary may be contacted to repair a damaged copy.
    online: bool,
    _lock: File,
}

impl Replica {
    /// Waits until no other command uses the replica of `namespace` in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written, or another command uses the replica for too long.
    pub async fn open(
        folder: &Path,
        namespace: Option<&NamespaceName>,
        source: Source,
    ) -> Result<Self> {
        let files = Files::new(folder, namespace);
        let lock = files.lock().await?;
        Ok(Self { files, source, notices: Vec::new(), online: true, _lock: lock })
    }

    /// `NS.db`.
    pub fn file(&self) -> PathBuf {
        self.files.database()
    }

    /// Where the copy comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Takes the notices, each of which is returned once.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Drops the warning about stale data.
    pub fn forget_stale(&mut self) {
        self.notices.retain(|notice| !matches!(notice, Notice::Stale { .. }));
    }

    /// Makes the copy as fresh as requested.
    ///
    /// # Errors
    /// When the server refuses; [`Error::AwayWithoutCopy`] when it is away and there is no copy to read
    /// instead; [`Error::NoCopy`] for an offline read.
    pub async fn freshen(&mut self, freshness: Freshness) -> Result<()> {
        let found = self.files.inspect(&self.url())?;
        let known = match &found {
            Found::Copy { record, .. } => record.synced_at,
            _ => None,
        };
        match (freshness, known) {
            (Freshness::Offline, Some(_)) => {
                self.online = false;
                return Ok(());
            }
            (Freshness::Offline, None) => return Err(self.no_copy(&found).into()),
            (Freshness::Within(interval), Some(synced_at)) if !is_due(synced_at, interval) => {
                return Ok(());
            }
            _ => {}
        }
        match preflight::ask(&self.source).await? {
            Answer::Index(index) => self.bring(found, index).await.map(|_synced| ()),
            Answer::Away(away) => match known {
                Some(synced_at) if freshness != Freshness::Demanded => {
                    self.stale(&away, synced_at);
                    Ok(())
                }
                _ => Err(without_copy(away, &found).into()),
            },
        }
    }

    /// Brings the copy up to the replication index of the primary.
    ///
    /// # Errors
    /// When the server is away ([`Error::is_away`]), or refuses ([`Error::is_refusal`]).
    pub async fn sync(&mut self) -> Result<Synced> {
        let found = self.files.inspect(&self.url())?;
        match preflight::ask(&self.source).await? {
            Answer::Index(index) => self.bring(found, index).await,
            Answer::Away(away) => Err(away.into()),
        }
    }

    /// Syncs after a write. The primary has the write already, so a failure is only a notice.
    pub async fn follow(&mut self) {
        if let Err(error) = self.sync().await {
            self.notices.push(Notice::Behind { why: format!("{error:#}") });
        }
    }

    /// Reads from the copy; a copy that turns out to be damaged is fetched again and read once
    /// more.
    ///
    /// # Errors
    /// Those of `look`; [`Error::Damaged`] for a copy that cannot be fetched again.
    pub async fn read<T>(&mut self, look: impl AsyncFn(&Client) -> Result<T>) -> Result<T> {
        let error = match look(&self.reader().await?).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if !self.online || !matches!(find(&error), Some(Error::Damaged { .. })) {
            return Err(error);
        }
        self.throw_away("the file was damaged")?;
        self.sync().await?;
        look(&self.reader().await?).await
    }

    /// A client for the file alone, which it opens read-only.
    async fn reader(&self) -> Result<Client, Error> {
        let builder =
            Builder::new_local(self.files.database()).flags(OpenFlags::SQLITE_OPEN_READ_ONLY);
        let damaged = |error: libsql::Error| self.damaged(&error.to_string());
        let database = builder.build().await.map_err(damaged)?;
        let connection = database.connect().map_err(damaged)?;
        Ok(Client::file(connection, self.source.endpoint.clone()))
    }

    fn damaged(&self, why: &str) -> Error {
        let replica = format!("the embedded replica {}", self.file().display());
        Error::Damaged { replica, source: Said(why.to_owned()) }
    }

    fn url(&self) -> String {
        self.source.endpoint.url()
    }

    fn stale(&mut self, away: &Error, synced_at: Timestamp) {
        self.online = false;
        self.notices.push(Notice::Stale { why: away.to_string(), synced_at });
    }

    fn no_copy(&self, found: &Found) -> Error {
        let source = match found {
            Found::Spoilt(spoilt) => Some(Said(spoilt.text())),
            _ => None,
        };
        Error::NoCopy { file: self.file(), source }
    }
}

/// The primary is away, and there is no copy to read instead.
fn without_copy(away: Error, found: &Found) -> Error {
    let why = match found {
        Found::Spoilt(spoilt) => spoilt.text(),
        Found::Copy { record, .. } if record.synced_at.is_some() => return away,
        _ => "there is no local copy yet".to_owned(),
    };
    Error::AwayWithoutCopy { away: Box::new(away), source: Said(why) }
}

/// A sync is also due after the clock was set back.
fn is_due(synced_at: Timestamp, interval: Duration) -> bool {
    let age = Timestamp::now().duration_since(synced_at);
    age.is_negative() || age.unsigned_abs() >= interval
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_due_after_the_interval_and_after_a_clock_set_back() {
        let minute = Duration::from_secs(60);
        let ago = |seconds: i64| Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
        assert!(!is_due(ago(30), minute));
        assert!(is_due(ago(61), minute));
        assert!(is_due(ago(-3600), minute));
    }
}
