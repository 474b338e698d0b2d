//! Chooses the replica for the next read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::uri::Authority;

/// How long a replica that failed is skipped, at first and at most.
const OUT: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// How long other reads skip a replica while one read tries it again.
const TRIAL: Duration = Duration::from_secs(2);

/// One replica.
pub struct Replica {
    pub server: Authority,
    /// Its position in the configuration, counted from 1: `replica-1`.
    pub label: String,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    failures: u32,
    out_until: Option<Instant>,
}

impl Replica {
    /// Notes that it did not answer, and skips it for a while.
    pub fn failed(&self, now: Instant) {
        let mut health = self.health();
        let wait = OUT.0.saturating_mul(1 << health.failures.min(10)).min(OUT.1);
        health.failures = health.failures.saturating_add(1);
        health.out_until = Some(now + wait);
        if health.failures == 1 {
            tracing::warn!(replica = self.label, "the replica does not answer and is skipped");
        }
    }

    /// Notes that it answered.
    pub fn well(&self) {
        let mut health = self.health();
        if health.failures > 0 {
            tracing::info!(replica = self.label, "the replica answers again");
        }
        *health = Health::default();
    }

    /// Whether it may be asked. After its time out, the first read tries it for all others.
    fn available(&self, now: Instant) -> bool {
        let mut health = self.health();
        match health.out_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                health.out_until = Some(now + TRIAL);
                true
            }
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All replicas, which are asked in turn.
pub struct Replicas {
    all: Vec<Replica>,
    turn: AtomicUsize,
}

impl Replicas {
    pub fn new(servers: impl IntoIterator<Item = Authority>) -> Self {
        let numbered = servers.into_iter().enumerate();
        let replica = |(number, server)| Replica {
            server,
            label: format!("replica-{}", number + 1),
            health: Mutex::default(),
        };
        Self { all: numbered.map(replica).collect(), turn: AtomicUsize::new(0) }
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The next replica that may be asked. Skips those that this read has tried, and counts
    /// the result in `tried`.
    pub fn next(&self, tried: &mut Tried, now: Instant) -> Option<&Replica> {
        let count = self.all.len();
        let start = *tried.start.get_or_insert_with(|| self.turn.fetch_add(1, Ordering::Relaxed));
        while tried.count < count {
            let replica = &self.all[(start % count + tried.count) % count];
            tried.count += 1;
            if replica.available(now) {
                return Some(replica);
            }
        }
        None
    }
}

/// Which replicas one read has tried.
#[derive(Default)]
pub struct Tried {
    start: Option<usize>,
    count: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replicas() -> Replicas {
        let servers = ["a:1", "b:1", "c:1"].map(Authority::from_static);
        Replicas::new(servers)
    }

    fn one(replicas: &Replicas, now: Instant) -> Option<&str> {
        replicas.next(&mut Tried::default(), now).map(|replica| replica.label.as_str())
    }

    #[test]
    fn they_take_turns_and_one_read_tries_each_once() {
        let (replicas, now) = (replicas(), Instant::now());
        let three: Vec<_> = (0..4).filter_map(|_| one(&replicas, now)).collect();
        assert_eq!(three, ["replica-1", "replica-2", "replica-3", "replica-1"]);
        let mut tried = Tried::default();
        let all = std::iter::from_fn(|| replicas.next(&mut tried, now)).count();
        assert_eq!(all, 3);
    }

    #[test]
    fn a_replica_that_failed_is_skipped_then_tried_by_one_read_and_used_again() {
        let replicas = Replicas::new([Authority::from_static("a:1")]);
        let now = Instant::now();
        replicas.all[0].failed(now);
        assert_eq!(one(&replicas, now), None);
        let later = now + OUT.0;
        assert_eq!(one(&replicas, later), Some("replica-1"));
        assert_eq!(one(&replicas, later), None, "only one read tries it");
        replicas.all[0].failed(later);
        assert_eq!(one(&replicas, later + OUT.0), None, "it is skipped for longer now");
        let last = later + OUT.1;
        assert_eq!(one(&replicas, last), Some("replica-1"));
        replicas.all[0].well();
        assert_eq!(one(&replicas, last), Some("replica-1"));
        assert_eq!(one(&replicas, last), Some("replica-1"));
    }
}
