//! Rate-limited log lines, for events that any client can cause.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time between two log lines about the same event.
const PAUSE: Duration = Duration::from_secs(60);

/// Counts events, and reports at most once a minute how many there were.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    count: u64,
    last: Option<Instant>,
}

impl Seldom {
    /// Counts one event. If a line is due, returns how many events there were since the last
    /// line, including this one.
    pub fn count(&self) -> Option<u64> {
        self.count_at(Instant::now())
    }

    fn count_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < PAUSE) {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_is_reported_at_once_and_the_others_once_a_minute() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.count_at(start), Some(1));
        for second in 1..60 {
            assert_eq!(seldom.count_at(start + Duration::from_secs(second)), None);
        }
        assert_eq!(seldom.count_at(start + PAUSE), Some(60));
        assert_eq!(seldom.count_at(start + PAUSE), None);
    }
}
