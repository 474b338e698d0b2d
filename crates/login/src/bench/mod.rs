//! `demo auth bench`: measures the cost of a token lookup on each backend, and the delay of
//! a revocation.
//!
//! ```text
//! sources --> bench_user: a temporary user with tokens, removed at the end
//!               |--> lookups: clients look tokens up, on one instance
//!               '--> revocations: tokens are revoked on one instance, looked up on another
//!                          both --> report: figures as text and JSON
//! ```
//!
//! Everything goes through [`super::store::Store`]; HTTP is left out on purpose.

mod bench_user;
mod lookups;
mod measure;
pub mod report;
mod revocations;

use std::future::Future;
use std::time::Duration;

use self::bench_user::Guests;
use self::report::Report;
use super::config::Config;
use demo_base::error::Result;

/// What to measure, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long the lookups of each backend are measured.
    pub time: Duration,
    /// How many clients look tokens up at once.
    pub clients: usize,
    /// How many tokens there are to look up.
    pub tokens: usize,
    /// The values of `syncIntervalSecs` for which revocations are timed.
    pub intervals: Vec<Duration>,
}

/// One database to measure.
#[derive(Clone, Debug)]
pub struct Source {
    /// The configuration file that names it, if any.
    pub from: Option<String>,
    /// A libSQL server is measured without and with an embedded replica, whether or not
    /// this configures one; the file of the replica is temporary.
    pub config: Config,
}

/// Reports the current step to the user.
pub type Say<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Measures `sources` one after another. `Ok(None)` means that `end` completed first. In
/// either case, the users and tokens of the benchmark are removed afterwards.
///
/// # Errors
/// As [`super::store::Store::open`]; [`crate::Error::StoppedAnswering`];
/// [`crate::Error::NewTokenMissing`] when a new token is not found,
/// [`crate::Error::StillAccepted`] when a revoked one stays valid.
pub async fn run(
    sources: &[Source],
    plan: &Plan,
    end: impl Future<Output = ()> + Send,
    say: Say<'_>,
) -> Result<Option<Report>> {
    let guests = Guests::default();
    let outcome = tokio::select! {
        biased;
        () = end => Ok(None),
        report = measure::all(sources, plan, &guests, say) => report.map(Some),
    };
    both(outcome, guests.leave().await.map_err(Into::into))
}

/// Combines the outcomes of a measurement and of the cleanup after it. If both failed, the
/// message begins with what was left behind.
///
/// # Errors
/// If either failed; if both did, that of the measurement is the cause.
pub fn both<T>(measured: Result<T>, cleaned: Result<()>) -> Result<T> {
    match (measured, cleaned) {
        (Err(error), Err(left)) => Err(error.context(left.to_string())),
        (Ok(_), Err(left)) => Err(left),
        (measured, Ok(())) => measured,
    }
}
