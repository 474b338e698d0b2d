//! Rate limits per key (a user, an address, a namespace).

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

/// With fewer keys than this, there is no search for unused ones.
const MANY_KEYS: usize = 10_000;

/// A rate for each key, and a burst above it.
pub struct Limiter<K: Clone + Eq + Hash> {
    keys: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    /// At this number of keys, those whose full burst is available again are forgotten.
    sweep_at: AtomicUsize,
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    /// `per_second` on average, `burst` at once.
    pub fn per_second(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        Self::of(Quota::per_second(per_second).allow_burst(burst))
    }

    /// `per_minute` on average, `burst` at once.
    pub fn per_minute(per_minute: NonZeroU32, burst: NonZeroU32) -> Self {
        Self::of(Quota::per_minute(per_minute).allow_burst(burst))
    }

    fn of(quota: Quota) -> Self {
        Self {
            keys: DefaultKeyedRateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            sweep_at: AtomicUsize::new(MANY_KEYS),
        }
    }

    /// Counts one request of `key`.
    ///
    /// # Errors
    /// How long to wait until the next request is allowed.
    pub fn admit(&self, key: &K) -> Result<(), Duration> {
        // Without this, the table would keep every key that was ever used.
        let limit = self.sweep_at.load(Ordering::Relaxed);
        if self.keys.len() > limit {
            self.keys.retain_recent();
            self.keys.shrink_to_fit();
            // Wait for as many new keys before the next search: otherwise, with ten
            // thousand busy keys, each request would search all of them.
            let next = self.keys.len().saturating_mul(2).max(MANY_KEYS);
            self.sweep_at.store(next, Ordering::Relaxed);
        }
        self.keys.check_key(key).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn unused_keys_are_forgotten() {
        let fast = NonZeroU32::MAX;
        let limiter = Limiter::per_second(fast, fast);
        for key in 0..5 * MANY_KEYS {
            limiter.admit(&key).unwrap();
        }
        assert!(limiter.keys.len() <= 2 * MANY_KEYS, "{}", limiter.keys.len());
    }

    #[test]
    fn a_burst_passes_and_the_next_must_wait() {
        let limiter = Limiter::per_minute(number(1), number(3));
        for _ in 0..3 {
            limiter.admit(&"alice").unwrap();
        }
        let wait = limiter.admit(&"alice").unwrap_err();
        assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60), "{wait:?}");
        limiter.admit(&"bob").unwrap();
    }
}
