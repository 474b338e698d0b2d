//! What is noted of a copy beside it, and what the files say of themselves.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use demo_base::error::Result;
use demo_base::files;

/// Version of the record's form.
pub const SCHEMA: u32 = 1;

/// With what every database file of `SQLite` begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What is known of a copy.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Record {
    pub schema: u32,
    /// The server, as its URL names it, namespace included.
    pub url: String,
    /// When a sync last came to its end; never, for one that was cut off.
    pub synced_at: Option<Timestamp>,
    /// The replication index of the copy then.
    pub index: Option<u64>,
    /// How the files looked then; none while a sync is under way.
    pub marks: Option<Marks>,
}

/// How the files looked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Marks {
    pub database: Mark,
    pub wal: Option<Mark>,
    /// The crate's metadata, as hexadecimal digits.
    pub meta: String,
}

/// How one file looked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Mark {
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Seconds and nanoseconds.
    pub modified: (i64, i64),
}

/// What lies there.
#[derive(Debug)]
pub enum Found {
    /// No copy.
    Nothing,
    /// A copy as the last sync left it; `whole` is false after one that was cut off.
    Copy { record: Record, whole: bool },
    /// Something that must not be read as a copy.
    Spoilt(Spoilt),
}

/// Why files cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Spoilt {
    /// A file without the crate's metadata or without our record.
    NoReplica,
    /// Another program has changed or replaced it.
    Changed,
    /// A copy of another server or namespace.
    OtherServer(String),
}

impl Record {
    /// Of a copy that was never synced to the end.
    pub fn new(url: &str) -> Self {
        Self { schema: SCHEMA, url: url.to_owned(), synced_at: None, index: None, marks: None }
    }
}

impl Spoilt {
    /// As a clause.
    pub fn text(&self) -> String {
        match self {
            Self::NoReplica => "the file was no replica".to_owned(),
            Self::Changed => "the file was not as the last sync left it".to_owned(),
            Self::OtherServer(url) => format!("the copy was of {url}"),
        }
    }
}

/// How a file looks; nothing where there is none.
///
/// # Errors
/// Exit 2 when it cannot be looked at.
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

/// Whether a file begins as a database does.
///
/// # Errors
/// Exit 2 when it cannot be read.
pub fn has_magic(path: &Path) -> Result<bool> {
    let mut first = [0; MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
    match read {
        Ok(()) => Ok(first == *MAGIC),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(files::unreadable(path, "replica", error).into()),
    }
}
