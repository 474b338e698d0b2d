//! Measures how long another instance still accepts a token that was revoked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::bench_user::BenchUser;
use crate::Error;
use crate::store::Store;
use crate::tokens::Presented;
use demo_base::error::Result;

/// The time between two lookups of a token, which is also the largest error of a lag.
const PAUSE: Duration = Duration::from_millis(2);
/// How long beyond the bound a token may stay valid before that is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// Revokes each of `tokens` on the bench user's own instance, one per `pace`, and looks it
/// up on `watcher` until that one refuses it. The lag is the time from the answer to the
/// revocation to the last lookup that still found the token; zero if none did. The lags are
/// in the order in which they were measured.
///
/// # Errors
/// [`Error::StoppedAnswering`]; [`Error::NewTokenMissing`] when the watcher does not find a token
/// before the revocation, [`Error::StillAccepted`] when it finds it long after `bound`.
pub async fn measure(
    bench_user: &BenchUser,
    watcher: &Arc<Store>,
    tokens: Vec<Presented>,
    pace: Duration,
    bound: Duration,
) -> Result<Vec<Duration>> {
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The set aborts its tasks when this function is cancelled.
    let mut running = JoinSet::new();
    for token in tokens {
        ticks.tick().await;
        if watcher.look_up(&token).await.map_err(Error::StoppedAnswering)?.is_none() {
            return Err(Error::NewTokenMissing.into());
        }
        bench_user
            .store
            .revoke(&bench_user.name, token.id())
            .await
            .map_err(Error::StoppedAnswering)?;
        running.spawn(taken_for(watcher.clone(), token, bound + PATIENCE));
    }
    let mut lags = Vec::new();
    while let Some(lag) = running.join_next().await {
        lags.push(lag??);
    }
    Ok(lags)
}

/// How long `store` still finds a revoked token. `ready::poll` does not work here: the future
/// of its async closure may not be `Send`.
async fn taken_for(
    store: Arc<Store>,
    token: Presented,
    deadline: Duration,
) -> Result<Duration, Error> {
    let revoked = Instant::now();
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Duration::ZERO;
    while last < deadline {
        ticks.tick().await;
        let began = revoked.elapsed();
        if store.look_up(&token).await.map_err(Error::StoppedAnswering)?.is_none() {
            return Ok(last);
        }
        last = began;
    }
    Err(Error::StillAccepted { seconds: deadline.as_secs() })
}
