//! Ctrl-C and its kin.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use crate::output::Output;
use demo_base::error::{Fault, Result};
use demo_base::exit_code::ExitCode;
use demo_stack::engine::ephemeral::EphemeralStacks;

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

/// Does `work` on servers of `stacks` until it is done or a signal comes, and stops them
/// all in either case. Returns what the work came to and the folders that stay.
///
/// # Errors
/// Those of `work`; exit 130 after a signal; when a server does not end.
pub async fn run_interruptible<T>(
    stacks: &EphemeralStacks,
    work: impl Future<Output = Result<T>>,
    output: &Output,
) -> Result<(T, Vec<PathBuf>)> {
    let outcome = tokio::select! {
        // A signal is listened for before the first server starts.
        biased;
        signal = interrupted() => signal.map(|()| None),
        done = work => done.map(Some),
    };
    // Whatever happened, first the servers go.
    let kept = stacks.close_all().await?;
    let Some(done) = outcome? else {
        output.note("interrupted; nothing left running");
        return Err(Fault::interrupted().into());
    };
    Ok((done, kept))
}
