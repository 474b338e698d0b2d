//! An error of the command line itself: options that contradict each other, a file that a command
//! needs, a stack that does not run.

use std::error::Error as StdError;

use crate::exit_code::ExitCode;

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
