//! How many token lookups a second one instance does, and how long each takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::bench_user::away;
use crate::store::Store;
use crate::tokens::Presented;
use demo_base::error::{Fault, Result};

/// Of each client, before the clock starts: connections are made, pages are read.
const WARM_UP: usize = 32;
/// Figures that count; the error is 0.1 % at most.
const DIGITS: u8 = 3;

/// What was counted.
pub struct Lookups {
    /// From the moment that all clients were ready to the end of the last lookup.
    pub elapsed: Duration,
    /// Of every lookup, in nanoseconds.
    pub latencies: Histogram<u64>,
}

impl Lookups {
    /// All clients together.
    #[expect(clippy::cast_precision_loss, reason = "nobody counts 2^53 lookups")]
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Looks `tokens` up for `time`, by `clients` at once, each one after the other.
///
/// # Errors
/// Exit 3 when the database goes away, exit 1 when it does not know a token.
pub async fn measure(
    store: &Arc<Store>,
    tokens: &Arc<[Presented]>,
    clients: usize,
    time: Duration,
) -> Result<Lookups> {
    let start = Arc::new(Barrier::new(clients));
    // Ends with this function, even when that is cut off.
    let mut running = JoinSet::new();
    for number in 0..clients {
        let client = Client {
            store: store.clone(),
            tokens: tokens.clone(),
            // Not all of them after the same token.
            next: number * tokens.len() / clients,
        };
        running.spawn(client.run(start.clone(), time));
    }
    let mut all = Lookups { elapsed: Duration::ZERO, latencies: Histogram::new(DIGITS)? };
    while let Some(done) = running.join_next().await {
        let (elapsed, latencies) = done??;
        all.elapsed = all.elapsed.max(elapsed);
        all.latencies.add(latencies)?;
    }
    Ok(all)
}

struct Client {
    store: Arc<Store>,
    tokens: Arc<[Presented]>,
    next: usize,
}

impl Client {
    async fn run(
        mut self,
        start: Arc<Barrier>,
        time: Duration,
    ) -> Result<(Duration, Histogram<u64>)> {
        let mut warm = Ok(());
        for _ in 0..WARM_UP {
            warm = self.look_up().await;
            if warm.is_err() {
                break;
            }
        }
        // One that failed comes too, or the others would wait for it for ever.
        start.wait().await;
        warm?;
        let mut latencies = Histogram::new(DIGITS)?;
        let started = Instant::now();
        loop {
            let began = Instant::now();
            self.look_up().await?;
            latencies.record(u64::try_from(began.elapsed().as_nanos())?)?;
            let elapsed = started.elapsed();
            if elapsed >= time {
                return Ok((elapsed, latencies));
            }
            // A lookup in a local file waits for nothing. A service comes back to its
            // runtime between two requests, and so must this: it also syncs.
            tokio::task::yield_now().await;
        }
    }

    async fn look_up(&mut self) -> Result<()> {
        let token = &self.tokens[self.next];
        self.next = (self.next + 1) % self.tokens.len();
        match self.store.look_up(token).await.map_err(away)? {
            Some(_) => Ok(()),
            None => Err(Fault::failed("a token that was just made is not known").into()),
        }
    }
}
