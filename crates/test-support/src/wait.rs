//! Waiting with a deadline, never for a fixed time.

use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Far beyond anything that a loaded machine needs.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(4);

/// Looks until `look` gives something. Without a runtime of its own: the look may have one.
pub fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    // Nobody ever sends: it is there to wait on.
    let (_nobody, nothing) = mpsc::channel::<()>();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(since.elapsed() < DEADLINE, "gave up waiting until {what}");
        let _ = nothing.recv_timeout(PAUSE);
    }
}

/// Looks until it is so.
pub fn until(what: &str, mut look: impl FnMut() -> bool) {
    until_some(what, || look().then_some(()));
}
