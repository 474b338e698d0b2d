//! The documented exit codes of every command.

/// How a command ended, as the shell sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum ExitCode {
    /// Success; every check came out as expected.
    Success = 0,
    /// An operation or a check failed.
    Failed = 1,
    /// Bad usage, bad configuration or bad input.
    Input = 2,
    /// There is nothing to talk to: no server, no engine, no running stack.
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
