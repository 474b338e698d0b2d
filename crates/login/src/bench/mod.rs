//! `demo auth bench`: what a token lookup costs on each backend, and how late a
//! revocation is.
//!
//! ```text
//! sources --> bench_user: a user of its own, with tokens; gone at the end
//!               |--> lookups: clients that look tokens up, on one instance
//!               '--> revocations: revoked on one instance, looked up on another
//!                          both --> report: figures as text and JSON --> plot: SVG
//! ```
//!
//! Everything goes through [`super::store::Store`]: HTTP is left out, on purpose.

mod bench_user;
mod lookups;
mod measure;
pub mod plot;
pub mod report;
mod revocations;

use std::future::Future;
use std::time::Duration;

use self::bench_user::Guests;
use self::report::Report;
use super::config::Config;
use demo_base::error::Result;

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For how long the lookups of each backend are counted.
    pub time: Duration,
    /// How many look tokens up at once.
    pub clients: usize,
    /// How many tokens there are to look up.
    pub tokens: usize,
    /// The values of `syncIntervalSecs` that revocations are timed with.
    pub intervals: Vec<Duration>,
}

/// One database to measure.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it was found, if that is worth a word: the configuration file.
    pub from: Option<String>,
    /// A libSQL server is measured without and with an embedded replica, whatever
    /// this says of one; the replica's file is a temporary one.
    pub config: Config,
}

/// What is being done now, for a person who waits.
pub type Say<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Measures each of `sources` after the other. `Ok(None)`: `end` came first. Users
/// and tokens that were made are gone afterwards, in either case.
///
/// # Errors
/// As [`super::store::Store::open`]; exit 3 when a database goes away meanwhile,
/// exit 1 when a token that was made is not known, or a revoked one stays known.
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
    both(outcome, guests.leave().await)
}

/// The outcome of a measurement, and of cleaning up after it. When both failed, what
/// is left comes first, and why after it.
///
/// # Errors
/// Theirs; the exit code is that of the measurement.
pub fn both<T>(measured: Result<T>, cleaned: Result<()>) -> Result<T> {
    match (measured, cleaned) {
        (Err(error), Err(left)) => Err(error.context(left.to_string())),
        (Ok(_), Err(left)) => Err(left),
        (measured, Ok(())) => measured,
    }
}
