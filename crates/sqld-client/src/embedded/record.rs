//! The record beside a copy, and the state of its files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use demo_base::error::Result;
use demo_base::files;

/// Version of the format of the record.
pub const SCHEMA: u32 = 1;

/// The first bytes of every `SQLite` database file.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What is recorded about a copy.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Record {
    pub schema: u32,
    /// The URL of the server, including the namespace.
    pub url: String,
    /// When a sync was last completed; `None` if it was interrupted.
    pub synced_at: Option<Timestamp>,
    /// The replication index of the copy at that time.
    pub index: Option<u64>,
    /// The state of the files at that time; `None` while a sync is in progress.
    pub marks: Option<Marks>,
}

/// The state of the files.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Marks {
    pub database: Mark,
    pub wal: Option<Mark>,
    /// The crate's metadata, as hexadecimal digits.
    pub meta: String,
}

/// The state of one file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Mark {
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Seconds and nanoseconds.
    pub modified: (i64, i64),
}

/// What was found in place of a copy.
#[derive(Debug)]
pub enum Found {
    /// No copy.
    Nothing,
    /// A copy as the last sync left it; `whole` is false if that sync was interrupted.
    Copy { record: Record, whole: bool },
    /// Files that must not be read as a copy.
    Spoilt(Spoilt),
}

/// Why files cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Spoilt {
    /// A file without the crate's metadata or without a record.
    NoReplica,
    /// Another program has changed or replaced it.
    Changed,
    /// A copy of another server or namespace.
    OtherServer(String),
}

impl Record {
    /// The record of a copy that was never completely synced.
    pub fn new(url: &str) -> Self {
        Self { schema: SCHEMA, url: url.to_owned(), synced_at: None, index: None, marks: None }
    }
}

impl Spoilt {
    /// The reason as a clause.
    pub fn text(&self) -> String {
        match self {
            Self::NoReplica => "the file was not a replica".to_owned(),
            Self::Changed => "the file was changed since the last sync".to_owned(),
            Self::OtherServer(url) => format!("the copy belonged to {url}"),
        }
    }
}

/// The state of a file; `None` if it does not exist.
///
/// # Errors
/// When it cannot be examined.
pub fn mark(path: &Path) -> Result<Option<Mark>> {
    match fs::metadata(path) {
        Ok(about) => Ok(Some(Mark {
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(files::unreadable(path, "replica", error).into()),
    }
}

/// Whether a file begins like a database.
///
/// # Errors
/// When it cannot be read.
pub fn has_magic(path: &Path) -> Result<bool> {
    let mut first = [0; MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
    match read {
        Ok(()) => Ok(first == *MAGIC),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(files::unreadable(path, "replica", error).into()),
    }
}
