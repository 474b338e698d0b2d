//! Ctrl-C and other signals that end a run.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use crate::exit_code::ExitCode;
use crate::output::Output;
use demo_base::error::Result;
use demo_stack::engine::ephemeral::EphemeralStacks;

/// Completes when the user or the system wants the run to end.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => Ok(outcome?),
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}

/// Completes when a service is to end, with its exit code: SIGTERM from a supervisor is the normal
/// way, Ctrl-C is an interruption.
///
/// # Errors
/// When the signal handlers cannot be installed.
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

/// Runs `work` on servers of `stacks` until it is done or a signal comes, and stops all of them in
/// either case. Returns the result of the work and the folders that are kept.
///
/// # Errors
/// Those of `work`; exit 130 after a signal; when a server does not stop.
pub async fn run_interruptible<T>(
    stacks: &EphemeralStacks,
    work: impl Future<Output = Result<T>>,
    output: &Output,
) -> Result<(T, Vec<PathBuf>)> {
    let outcome = tokio::select! {
        // Installed before the first server starts.
        biased;
        signal = interrupted() => signal.map(|()| None),
        done = work => done.map(Some),
    };
    // The servers are stopped first, whatever happened.
    let kept = stacks.close_all().await?;
    let Some(done) = outcome? else {
        output.note("interrupted; nothing left running");
        return Err(demo_base::Error::Interrupted.into());
    };
    Ok((done, kept))
}
