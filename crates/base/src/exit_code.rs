//! The exit codes of every command: documented, and nothing else.

/// How a command ended, as the shell sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done; every check as expected.
    Success = 0,
    /// An operation or a check failed.
    Failed = 1,
    /// Bad usage, bad configuration or bad input.
    Input = 2,
    /// Nothing there to talk to: no server, no engine, no running stack.
    Unreachable = 3,
    /// Authentication or permission was refused (401, 403).
    Rejected = 4,
    /// No such namespace, service or file.
    NotFound = 5,
    /// Interrupted by a signal, after cleaning up.
    Interrupted = 130,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
