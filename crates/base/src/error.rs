//! Errors that tell the user what to do next.
//!
//! A [`Fault`] is raised where the exit code and the next step are known. `anyhow` passes it up
//! with context; [`Diagnosis`] turns the whole chain into what the user reads: an `error:` line,
//! `caused by:` lines and a `hint:`.

use std::error::Error as StdError;

use crate::exit_code::ExitCode;

/// What every fallible function of this crate returns.
pub type Result<T, E = anyhow::Error> = std::result::Result<T, E>;

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

    /// Stopped by a signal, after cleaning up (exit 130).
    pub fn interrupted() -> Self {
        Self::new(ExitCode::Interrupted, "interrupted")
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
        let mut lines: Vec<String> = Vec::new();
        for cause in error.chain() {
            let line = cause.to_string();
            // Many crates repeat the text of their source error in their own.
            let said = lines.last().is_some_and(|last| last.contains(&line));
            if !line.is_empty() && !said {
                lines.push(line);
            }
        }
        let faults = || error.chain().filter_map(|cause| cause.downcast_ref::<Fault>());
        let message = if lines.is_empty() { "unknown error".to_owned() } else { lines.remove(0) };
        Self {
            code: faults().next().map_or(ExitCode::Failed, Fault::code),
            message,
            causes: lines,
            hint: faults().find_map(|fault| fault.hint_text().map(str::to_owned)),
        }
    }
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
