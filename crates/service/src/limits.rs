//! How often one key (a user, an address, a namespace) may come.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

/// Fewer keys than this are never looked through.
const MANY_KEYS: usize = 10_000;

/// A rate for each key, and a burst above it.
pub struct Limiter<K: Clone + Eq + Hash> {
    keys: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    /// With so many keys, those that are as good as new are forgotten.
    sweep_at: AtomicUsize,
}

impl<K: Clone + Eq + Hash> Limiter<K> {
    /// `per_second` in the long run, `burst` at once.
    pub fn per_second(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        Self::of(Quota::per_second(per_second).allow_burst(burst))
    }

    /// `per_minute` in the long run, `burst` at once.
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
    /// How long to wait before the next one is let in.
    pub fn admit(&self, key: &K) -> Result<(), Duration> {
        // Else the table grows with everyone who ever came.
        let limit = self.sweep_at.load(Ordering::Relaxed);
        if self.keys.len() > limit {
            self.keys.retain_recent();
            self.keys.shrink_to_fit();
            // Not again before as many new ones came: with ten thousand busy
            // keys each request would look through all of them.
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
    fn keys_that_are_as_good_as_new_are_forgotten() {
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
