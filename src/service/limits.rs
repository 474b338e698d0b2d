//! How often one key (a user, an address, a namespace) may come.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

/// Above this many keys, those that are as good as new are forgotten.
const MANY_KEYS: usize = 10_000;

/// A rate for each key, and a burst above it.
pub struct Limiter<K: Clone + Eq + Hash> {
    keys: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
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
        Self { keys: DefaultKeyedRateLimiter::keyed(quota), clock: DefaultClock::default() }
    }

    /// Counts one request of `key`.
    ///
    /// # Errors
    /// How long to wait before the next one is let in.
    pub fn admit(&self, key: &K) -> Result<(), Duration> {
        if self.keys.len() > MANY_KEYS {
            // Else the table grows with everyone who ever came.
            self.keys.retain_recent();
            self.keys.shrink_to_fit();
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
