//! Ctrl-C and its kin.

use tokio::signal::unix::{SignalKind, signal};

use crate::error::Result;

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
