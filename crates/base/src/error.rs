//! What can go wrong here, and what every crate's errors have in common.
//!
//! Each crate has one enum of its errors, in the words of its own domain. A function whose errors
//! are all of its own crate returns that enum. A function that passes on the errors of several
//! crates returns [`Result`]: `anyhow` carries each of them, still as its type, to the command
//! line, where `src/explain.rs` alone decides on the exit code and the hint.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::time::Duration;
use std::{io, iter};

/// The result of a function that passes on the errors of several crates.
pub type Result<T, E = anyhow::Error> = std::result::Result<T, E>;

/// An underlying error of any type.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// What can go wrong with files, waiting and randomness.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something that was waited for did not happen in time.
    #[error("gave up after {:.1} s waiting until {what}", waited.as_secs_f64())]
    Deadline {
        /// What was waited for, as in "the primary answers".
        what: String,
        /// How long.
        waited: Duration,
        /// What the last attempt saw.
        source: LastSeen,
    },
    /// A file or a folder does not exist.
    #[error("there is no {what} at {}", path.display())]
    Missing {
        /// Its role, such as "token file".
        what: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// A file or a folder cannot be read.
    #[error("cannot read the {what} {}", path.display())]
    Unreadable {
        /// Its role, such as "token file".
        what: String,
        /// Where it is.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file or a folder cannot be written, created or removed.
    #[error("cannot write {}", path.display())]
    Unwritable {
        /// Where it is.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A lock file cannot be opened or locked, other than because someone holds it.
    #[error("cannot lock {}", path.display())]
    Unlockable {
        /// The lock file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A path that is to be removed is, or leads through, a symbolic link.
    #[error(
        "{} is a symbolic link to {}, and demo does not remove anything through a link",
        path.display(), target.display()
    )]
    SymbolicLink {
        /// The link.
        path: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// The system has no random bytes.
    #[error("the system provides no random bytes")]
    NoRandomBytes(#[from] getrandom::Error),
    /// A signal asked the program to stop, and it has cleaned up.
    #[error("interrupted")]
    Interrupted,
}

/// What the last attempt saw before a deadline passed.
#[derive(Debug, thiserror::Error)]
#[error("last seen: {0}")]
pub struct LastSeen(pub String);

/// The messages of `error` and of its causes, outermost first, without repetitions.
pub fn messages(error: &anyhow::Error) -> Vec<String> {
    messages_of(error.chain())
}

/// The messages of `error` and of its causes, as one sentence with colons.
pub fn joined(error: &(dyn StdError + 'static)) -> String {
    messages_of(iter::successors(Some(error), |&cause| cause.source())).join(": ")
}

fn messages_of<'a>(chain: impl Iterator<Item = &'a (dyn StdError + 'static)>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for cause in chain {
        let line = cause.to_string();
        // Many crates repeat the text of their source error in their own.
        let said = lines.last().is_some_and(|last| last.contains(&line));
        if !line.is_empty() && !said {
            lines.push(line);
        }
    }
    lines
}

/// The error of type `E` that `error` is or was caused by, outermost first.
pub fn find<E: StdError + 'static>(error: &anyhow::Error) -> Option<&E> {
    error.chain().find_map(|cause| cause.downcast_ref())
}
