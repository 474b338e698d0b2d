//! The files of a replica, and whether they are still as the last sync left them.
//!
//! `NS.db` and `NS.db-client_wal_index` belong to the crate. The record `NS.json` beside them says
//! which database is copied, when it was synced, and the state of the files at that time. The crate
//! itself accepts any file as its replica: rows that another program put there are shown, and
//! vanish at the next write of the primary (`demo probe`, `embedded-file-changed-locally`).

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::record::{Found, Mark, Marks, Record, SCHEMA, Spoilt, has_magic, mark};
use crate::error::Error;
use demo_base::error::Result;
use demo_base::files::lock::try_lock;
use demo_base::files::{self, MODE_SECRET, MODE_SECRET_DIR};
use demo_base::hex;
use demo_base::ready::{Attempt, poll};
use demo_sqld::namespace::NamespaceName;

/// How long one command waits for another that uses the same replica.
const LOCK_DEADLINE: Duration = Duration::from_secs(20);

/// The crate's metadata: log id, frame number, padding (read in its source, 0.10.0).
const META_SIZE: usize = 32;

/// The paths of one replica.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
    name: String,
}

impl Files {
    /// The replica of `namespace`, or of the default namespace, in `folder`.
    pub fn new(folder: &Path, namespace: Option<&NamespaceName>) -> Self {
        let name = namespace.map_or("default", NamespaceName::as_str).to_owned();
        Self { folder: folder.to_path_buf(), name }
    }

    /// `NS.db`.
    pub fn database(&self) -> PathBuf {
        self.folder.join(format!("{}.db", self.name))
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.join(format!("{}.db-{suffix}", self.name))
    }

    fn meta(&self) -> PathBuf {
        self.beside("client_wal_index")
    }

    fn record(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.name))
    }

    /// Creates the folder and prevents other commands from using this replica until the file is
    /// dropped.
    ///
    /// # Errors
    /// When the folder cannot be written, or another command uses the replica for longer than 20 s.
    pub async fn lock(&self) -> Result<File> {
        if let Some(local) = self.folder.parent() {
            files::create_dir(local, MODE_SECRET_DIR)?;
        }
        files::create_dir(&self.folder, MODE_SECRET_DIR)?;
        let path = self.folder.join(format!("{}.lock", self.name));
        let what = "another command has left the embedded replica";
        poll(what, LOCK_DEADLINE, async || {
            Ok(match try_lock(&path)? {
                Some(file) => Attempt::Done(file),
                None => Attempt::Again(format!("{} is locked", path.display())),
            })
        })
        .await
    }

    /// Inspects the files as a copy of the server at `url`.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn inspect(&self, url: &str) -> Result<Found> {
        let database = self.database();
        let Some(now) = mark(&database)? else { return Ok(Found::Nothing) };
        let Some(record) = self.load()? else {
            let empty = now.size == 0 && database.is_file();
            return Ok(if empty { Found::Nothing } else { Found::Spoilt(Spoilt::NoReplica) });
        };
        let Some(meta) = self.read_meta()? else { return Ok(Found::Spoilt(Spoilt::NoReplica)) };
        if record.url != url {
            return Ok(Found::Spoilt(Spoilt::OtherServer(record.url)));
        }
        let same = match &record.marks {
            None => true,
            Some(marks) => {
                marks.database == now
                    && marks.wal == self.wal()?
                    && marks.meta == hex::encode(&meta)
            }
        };
        if !same || (now.size > 0 && !has_magic(&database)?) {
            return Ok(Found::Spoilt(Spoilt::Changed));
        }
        let whole = record.marks.is_some();
        Ok(Found::Copy { record, whole })
    }

    fn load(&self) -> Result<Option<Record>> {
        let path = self.record();
        match fs::read_to_string(&path) {
            // A record of another version is ignored, so the copy is fetched again.
            Ok(text) => Ok(serde_json::from_str(&text)
                .ok()
                .filter(|record: &Record| record.schema == SCHEMA)),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) =>
            {
                Ok(None)
            }
            Err(error) => Err(files::unreadable(&path, "record of the replica", error).into()),
        }
    }

    /// The part that is not in the database yet; a reader leaves an empty file behind.
    fn wal(&self) -> Result<Option<Mark>> {
        Ok(mark(&self.beside("wal"))?.filter(|wal| wal.size > 0))
    }

    /// The crate's metadata; `None` if it is missing.
    fn read_meta(&self) -> Result<Option<Vec<u8>>> {
        let path = self.meta();
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(files::unreadable(&path, "metadata of the replica", error).into()),
        }
    }

    /// The id of the primary's log that the copy follows, if any.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn log_id(&self) -> Result<Option<[u8; 16]>> {
        let meta = self.read_meta()?.filter(|meta| meta.len() == META_SIZE);
        Ok(meta.and_then(|meta| meta.get(..16)?.try_into().ok()))
    }

    /// Records that a sync begins, and creates the missing files so that only their owner can read
    /// them; the crate would make them readable by everyone.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn begin(&self, record: &Record) -> Result<()> {
        self.save(&Record { marks: None, ..record.clone() })?;
        // The metadata comes first, because a database without it is not a replica.
        for path in [self.meta(), self.database()] {
            let mut options = File::options();
            options.write(true).create(true).truncate(false).mode(MODE_SECRET);
            let file = options.open(&path).map_err(|error| unwritable(&path, error))?;
            file.set_permissions(Permissions::from_mode(MODE_SECRET))
                .map_err(|error| unwritable(&path, error))?;
        }
        Ok(())
    }

    /// Records that a sync was completed at `index`.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn finish(&self, url: &str, index: Option<u64>, now: Timestamp) -> Result<Record> {
        let database = mark(&self.database())?;
        let meta = self.read_meta()?;
        let (Some(database), Some(meta)) = (database, meta) else {
            return Err(Error::CopyVanished.into());
        };
        let wal = self.wal()?;
        let marks = Some(Marks { database, wal, meta: hex::encode(&meta) });
        let record = Record { synced_at: Some(now), index, marks, ..Record::new(url) };
        self.save(&record)?;
        Ok(record)
    }

    /// Atomic, but not synced to the disk: after a power failure the marks do not match, and the
    /// copy is fetched again.
    fn save(&self, record: &Record) -> Result<()> {
        let path = self.record();
        let attempt = || -> io::Result<()> {
            let beside = tempfile::NamedTempFile::new_in(&self.folder)?;
            serde_json::to_writer_pretty(beside.as_file(), record)?;
            beside.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        Ok(attempt().map_err(|error| unwritable(&path, error))?)
    }

    /// Removes the copy and its record.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub fn discard(&self) -> Result<()> {
        // The record goes last: as long as it exists, the other files are known to be a replica.
        let wal = self.beside("wal");
        for path in [self.database(), wal, self.beside("shm"), self.meta(), self.record()] {
            files::remove(&path)?;
        }
        Ok(())
    }

    /// Renames a database that may not be a replica, removes the other files, and returns the new
    /// name.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn set_aside(&self) -> Result<PathBuf> {
        let database = self.database();
        let unwritable = |error| unwritable(&database, error);
        let free =
            (1_u32..).map(|number| self.folder.join(format!("{}.aside-{number}", self.name)));
        let taken = || io::Error::other("there are too many files set aside");
        let aside = free.into_iter().find(|path| !path.exists()).ok_or_else(taken);
        let aside = aside.map_err(unwritable)?;
        fs::rename(&database, &aside).map_err(unwritable)?;
        if self.wal()?.is_some() {
            // It contains rows that are not in the database yet.
            let wal = self.beside("wal");
            let mut beside = aside.clone().into_os_string();
            beside.push("-wal");
            fs::rename(&wal, beside).map_err(unwritable)?;
        }
        self.discard()?;
        Ok(aside)
    }
}

fn unwritable(path: &Path, source: io::Error) -> demo_base::Error {
    demo_base::Error::Unwritable { path: path.to_path_buf(), source }
}

/// The namespaces that have a replica in `folder`; `None` is the default one.
///
/// # Errors
/// When the folder cannot be read.
pub fn replicas(folder: &Path) -> Result<Vec<Option<NamespaceName>>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(files::unreadable(folder, "folder", error).into()),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".json")) else {
            continue;
        };
        match name {
            "default" => names.push(None),
            // A file that is not a record, since its name is not that of a namespace.
            name => names.extend(name.parse().ok().map(Some)),
        }
    }
    names.sort();
    Ok(names)
}
