//! Polling with a deadline, which reports what was last seen.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use crate::error::{Error, LastSeen, Result};

/// The pause between two attempts. A server is up within 50 ms, so a longer pause would waste time.
const PAUSE: Duration = Duration::from_millis(4);

/// The result of one attempt.
#[derive(Debug)]
pub enum Attempt<T> {
    /// The wait is over.
    Done(T),
    /// Not ready yet; the text says what was seen instead.
    Again(String),
}

/// Calls `attempt` until it is done, it fails, or `deadline` has passed.
///
/// An attempt that waits for something that can die must check that it is still alive.
///
/// # Errors
/// The error of the attempt, immediately; [`Error::Deadline`] at the deadline, with `what` was awaited
/// and what was last seen.
pub async fn poll<T>(
    what: &str,
    deadline: Duration,
    mut attempt: impl AsyncFnMut() -> Result<Attempt<T>>,
) -> Result<T> {
    let started = Instant::now();
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = "nothing yet".to_owned();
    while started.elapsed() < deadline {
        ticks.tick().await;
        let left = deadline.saturating_sub(started.elapsed());
        match tokio::time::timeout(left, attempt()).await {
            Ok(Ok(Attempt::Done(value))) => return Ok(value),
            Ok(Ok(Attempt::Again(now))) => seen = now,
            Ok(Err(error)) => return Err(error),
            Err(_elapsed) => break,
        }
    }
    Err(Error::Deadline { what: what.to_owned(), waited: deadline, source: LastSeen(seen) }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_deadline_tells_what_was_last_seen() {
        let never = async || Ok::<Attempt<()>, _>(Attempt::Again("index 3 of 7".to_owned()));
        let error = poll("it is there", Duration::from_millis(20), never).await.unwrap_err();
        let text = format!("{error:#}");
        assert_eq!(text, "gave up after 0.0 s waiting until it is there: last seen: index 3 of 7");
    }

    #[tokio::test]
    async fn an_attempt_that_hangs_is_cut_off() {
        let hangs = async || std::future::pending::<Result<Attempt<()>>>().await;
        assert!(poll("x", Duration::from_millis(20), hangs).await.is_err());
    }

    #[tokio::test]
    async fn an_error_ends_the_wait() {
        let mut calls = 0;
        let dies = async || {
            calls += 1;
            Err::<Attempt<()>, _>(anyhow::anyhow!("exited"))
        };
        assert!(poll("x", Duration::from_secs(60), dies).await.is_err());
        assert_eq!(calls, 1);
    }
}
