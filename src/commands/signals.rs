//! Ctrl-C and its kin.

use tokio::signal::unix::{SignalKind, signal};

use demo_base::error::Result;
use demo_base::exit_code::ExitCode;

/// Ends when the person, or the system, wants the run to end.
///
/// # Errors
/// When the signals cannot be listened for.
pub async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => Ok(outcome?),
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}

/// Ends when a service is to end, with the exit code of that: a supervisor's
/// SIGTERM is the normal way, Ctrl-C is an interruption.
///
/// # Errors
/// When the signals cannot be listened for.
pub async fn end_of_service() -> Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => {
            outcome?;
            Ok(ExitCode::Interrupted)
        }
        _ = terminate.recv() => Ok(ExitCode::Success),
        _ = hang_up.recv() => Ok(ExitCode::Success),
    }
}
