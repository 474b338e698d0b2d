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

use crate::exit_code::ExitCode;

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

/// A failure with a known exit code and, in most cases, a known remedy.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    code: ExitCode,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Fault {
    fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, source: None }
    }

    /// An operation or a check failed (exit 1).
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Failed, message)
    }

    /// Bad usage, configuration or input (exit 2).
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Input, message)
    }

    /// There is nothing to talk to (exit 3).
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Unreachable, message)
    }

    /// Authentication or permission refused (exit 4).
    pub fn rejected(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Rejected, message)
    }

    /// No such namespace, service or file (exit 5).
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ExitCode::NotFound, message)
    }

    /// The exact next step, as the user would type or do it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The underlying cause, printed as `caused by:`.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The exit code that this fault stands for.
    pub fn code(&self) -> ExitCode {
        self.code
    }

    /// The next step, if one is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// An error chain, ready to print.
#[derive(Debug, Eq, PartialEq)]
pub struct Diagnosis {
    /// The exit code of the outermost [`Fault`], or `Failed` without one.
    pub code: ExitCode,
    /// The `error:` line.
    pub message: String,
    /// The `caused by:` lines, outermost first, without repetitions.
    pub causes: Vec<String>,
    /// The outermost hint.
    pub hint: Option<String>,
}

impl Diagnosis {
    /// Reads the chain of `error`, outermost first.
    pub fn of(error: &anyhow::Error) -> Self {
        let mut lines = messages(error);
        let faults = || error.chain().filter_map(|cause| cause.downcast_ref::<Fault>());
        let message = if lines.is_empty() { "unknown error".to_owned() } else { lines.remove(0) };
        Self {
            code: error.chain().find_map(code).unwrap_or(ExitCode::Failed),
            message,
            causes: lines,
            hint: faults().find_map(|fault| fault.hint_text().map(str::to_owned)),
        }
    }
}

fn code(cause: &(dyn StdError + 'static)) -> Option<ExitCode> {
    if let Some(fault) = cause.downcast_ref::<Fault>() {
        return Some(fault.code());
    }
    Some(match cause.downcast_ref::<Error>()? {
        Error::Missing { .. } => ExitCode::NotFound,
        Error::Deadline { .. } | Error::NoRandomBytes(_) => ExitCode::Failed,
        Error::Interrupted => ExitCode::Interrupted,
        _ => ExitCode::Input,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_outermost_fault_decides_code_and_hint() {
        let inner = Fault::unreachable("connection refused").hint("start it");
        let error = Err::<(), _>(Fault::input("bad port").because(inner))
            .context("reading .env")
            .unwrap_err();
        let diagnosis = Diagnosis::of(&error);
        assert_eq!(diagnosis.code, ExitCode::Input);
        assert_eq!(diagnosis.message, "reading .env");
        assert_eq!(diagnosis.causes, ["bad port", "connection refused"]);
        assert_eq!(diagnosis.hint.as_deref(), Some("start it"));
    }

    #[test]
    fn a_cause_that_only_repeats_is_left_out() {
        let error = Err::<(), _>(std::io::Error::other("disk full"))
            .context("cannot write x: disk full")
            .unwrap_err();
        assert!(Diagnosis::of(&error).causes.is_empty());
    }
}
