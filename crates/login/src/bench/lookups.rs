//! Measures how many token lookups per second one instance does, and how long each takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::Error;
use crate::store::Store;
use crate::tokens::Presented;
use demo_base::error::Result;

/// Lookups of each client before the measurement, to open connections and read pages.
const WARM_UP: usize = 32;
/// Significant digits; the error is at most 0.1 %.
const DIGITS: u8 = 3;

/// The result of a measurement.
pub struct Lookups {
    /// From when all clients were ready to the end of the last lookup.
    pub elapsed: Duration,
    /// The latency of every lookup, in nanoseconds.
    pub latencies: Histogram<u64>,
}

impl Lookups {
    /// Lookups per second, of all clients together.
    #[expect(clippy::cast_precision_loss, reason = "nobody counts 2^53 lookups")]
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Looks `tokens` up for `time`, with `clients` at once, each of which does one lookup after
/// another.
///
/// # Errors
/// [`Error::StoppedAnswering`]; [`Error::NewTokenMissing`].
pub async fn measure(
    store: &Arc<Store>,
    tokens: &Arc<[Presented]>,
    clients: usize,
    time: Duration,
) -> Result<Lookups> {
    let start = Arc::new(Barrier::new(clients));
    // The set aborts its tasks when this function is cancelled.
    let mut running = JoinSet::new();
    for number in 0..clients {
        let client = Client {
            store: store.clone(),
            tokens: tokens.clone(),
            // Each client starts with a different token.
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
        // A client that failed waits here too: otherwise the others would wait forever.
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
            // A lookup in a local file never yields. A service yields to its runtime between
            // two requests, and so must this, so that the background sync can run.
            tokio::task::yield_now().await;
        }
    }

    async fn look_up(&mut self) -> Result<(), Error> {
        let token = &self.tokens[self.next];
        self.next = (self.next + 1) % self.tokens.len();
        match self.store.look_up(token).await.map_err(Error::StoppedAnswering)? {
            Some(_) => Ok(()),
            None => Err(Error::NewTokenMissing),
        }
    }
}
