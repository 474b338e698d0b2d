//! For how long another instance goes on taking a token that was revoked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::bench_user::{BenchUser, away};
use crate::store::Store;
use crate::tokens::Presented;
use demo_base::error::{Fault, Result};

/// Between two looks at a token: what a lag is too short by, at most.
const PAUSE: Duration = Duration::from_millis(2);
/// Beyond the bound, before a token that stays known is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// Revokes each of `tokens` on the bench user's own instance, one each `pace`, and looks
/// it up on `watcher` until that one refuses it. The lag is the time from the
/// revocation's answer to the last lookup that still found the token; zero if none
/// did. In the order in which they were known.
///
/// # Errors
/// Exit 3 when the database goes away; exit 1 when the watcher does not know a
/// token to begin with, or still knows it long after `bound`.
pub async fn measure(
    bench_user: &BenchUser,
    watcher: &Arc<Store>,
    tokens: Vec<Presented>,
    pace: Duration,
    bound: Duration,
) -> Result<Vec<Duration>> {
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Ends with this function, even when that is cut off.
    let mut running = JoinSet::new();
    for token in tokens {
        ticks.tick().await;
        if watcher.look_up(&token).await.map_err(away)?.is_none() {
            return Err(Fault::failed("a token that was just made is not known").into());
        }
        bench_user.store.revoke(&bench_user.name, token.id()).await.map_err(away)?;
        running.spawn(taken_for(watcher.clone(), token, bound + PATIENCE));
    }
    let mut lags = Vec::new();
    while let Some(lag) = running.join_next().await {
        lags.push(lag??);
    }
    Ok(lags)
}

/// Not `ready::poll`: the future of an async closure is not known to be `Send`.
async fn taken_for(store: Arc<Store>, token: Presented, deadline: Duration) -> Result<Duration> {
    let revoked = Instant::now();
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Duration::ZERO;
    while last < deadline {
        ticks.tick().await;
        let began = revoked.elapsed();
        if store.look_up(&token).await.map_err(away)?.is_none() {
            return Ok(last);
        }
        last = began;
    }
    let seconds = deadline.as_secs();
    Err(Fault::failed(format!("a revoked token is still taken after {seconds} s"))
        .hint("its instance does not sync: see whether the primary's gRPC routes answer")
        .into())
}
