//! Schedules the computation of hashes: known users have priority over strangers.
//!
//! A stranger is a client that gives an unknown name or wants to register. Strangers wait
//! in a short queue and together use at most half of the slots. The other half is reserved
//! for known users, who therefore wait for no more strangers than are computing right now.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::password::Busy;
use demo_service::peer::network;

/// How long a request waits for a slot.
const PATIENCE: Duration = Duration::from_secs(15);
/// How many strangers may wait or compute: in total, and per address.
const MOST_STRANGERS: usize = 64;
const MOST_OF_ADDRESS: usize = 16;

/// The slots of one service.
#[derive(Debug)]
pub struct Turns {
    all: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    waiting: Mutex<HashMap<IpAddr, usize>>,
    /// How long the last computation took, including its wait, in microseconds.
    last: AtomicU64,
}

impl Default for Turns {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // At least one slot for each kind, even on one core.
        let turns = cores.max(2);
        Self {
            all: Arc::new(Semaphore::new(turns)),
            strangers: Arc::new(Semaphore::new(turns / 2)),
            waiting: Mutex::default(),
            last: AtomicU64::default(),
        }
    }
}

impl Turns {
    /// A place in the queue of strangers; `None` when it is full.
    pub fn place(&self, peer: IpAddr) -> Option<Place<'_>> {
        let peer = network(peer);
        let mut waiting = self.waiting();
        let all: usize = waiting.values().sum();
        let of_address = waiting.get(&peer).copied().unwrap_or_default();
        if all >= MOST_STRANGERS || of_address >= MOST_OF_ADDRESS {
            return None;
        }
        waiting.insert(peer, of_address.saturating_add(1));
        Some(Place { turns: self, peer })
    }

    /// Runs `work` on a separate thread once a slot is free.
    ///
    /// # Errors
    /// [`Busy`] when no slot is free in time.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let began = Instant::now();
        let turn = in_time(&self.all).await?;
        let task = tokio::task::spawn_blocking(move || {
            // The slot becomes free when the work is done, even if its request is gone.
            let _turn = turn;
            work()
        });
        let done = task.await.map_err(|_| Busy);
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.store(took, Ordering::Relaxed);
        done
    }

    /// Waits as long as the last computation took.
    pub async fn pretend(&self) {
        let took = Duration::from_micros(self.last.load(Ordering::Relaxed));
        tokio::time::sleep_until(tokio::time::Instant::now() + took).await;
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn in_time(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Busy> {
    let turn = tokio::time::timeout(PATIENCE, semaphore.clone().acquire_owned()).await;
    turn.map_err(|_| Busy)?.map_err(|_| Busy)
}

/// A stranger's place in the queue; it becomes free when this is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    turns: &'a Turns,
    peer: IpAddr,
}

impl Place<'_> {
    /// Waits for a slot for strangers, which is held until the result is dropped.
    ///
    /// # Errors
    /// [`Busy`] when no slot is free in time.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, Busy> {
        in_time(&self.turns.strangers).await
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.turns.waiting();
        if let Some(number) = waiting.get_mut(&self.peer) {
            *number = number.saturating_sub(1);
            if *number == 0 {
                waiting.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h5_one_address_cannot_fill_the_queue_of_strangers() {
        let turns = Turns::default();
        let address = |last| IpAddr::from([10, 0, 0, last]);
        let mut places: Vec<_> = (0..100).filter_map(|_| turns.place(address(1))).collect();
        assert_eq!(places.len(), MOST_OF_ADDRESS);
        assert!(turns.place(address(2)).is_some());
        places.extend((0..100).filter_map(|last| turns.place(address(last))));
        assert_eq!(places.len(), MOST_STRANGERS);
        assert!(turns.place(address(200)).is_none());
        drop(places);
        assert!(turns.waiting().is_empty());
    }
}
