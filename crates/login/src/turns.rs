//! Who may compute a hash: known users first, strangers in a short queue.
//!
//! A stranger is who gives a name that nobody has, or wants to register. All of them
//! together hold at most half of the turns, so half is kept for known users, who
//! stand behind no more strangers than compute at that moment.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::password::Busy;
use demo_service::peer::network;

/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(15);
/// Strangers who wait or compute: altogether, and of one address.
const MOST_STRANGERS: usize = 64;
const MOST_OF_ADDRESS: usize = 16;

/// The turns of one service.
#[derive(Debug)]
pub struct Turns {
    all: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    waiting: Mutex<HashMap<IpAddr, usize>>,
    /// How long the last piece of work took with its waiting, in microseconds.
    last: AtomicU64,
}

impl Default for Turns {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // One for each kind, even on one core.
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

    /// Does `work` on a thread of its own when it is its turn.
    ///
    /// # Errors
    /// [`Busy`] when no turn came in time.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let began = Instant::now();
        let turn = in_time(&self.all).await?;
        let task = tokio::task::spawn_blocking(move || {
            // The turn goes back when the work is done, even if nobody waits any more.
            let _turn = turn;
            work()
        });
        let done = task.await.map_err(|_| Busy);
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.store(took, Ordering::Relaxed);
        done
    }

    /// Takes as long as the last piece of work, and computes nothing.
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

/// A stranger's place in the queue, until it is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    turns: &'a Turns,
    peer: IpAddr,
}

impl Place<'_> {
    /// Waits for a stranger's turn, which is held until the result is dropped.
    ///
    /// # Errors
    /// [`Busy`] when no turn came in time.
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
    fn h5_one_address_does_not_fill_the_queue_of_strangers() {
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
