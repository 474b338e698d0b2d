//! Waits with a deadline, never for a fixed time.

use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Far longer than a loaded machine needs.
const DEADLINE: Duration = Duration::from_secs(20);
/// The interval between two attempts.
const PAUSE: Duration = Duration::from_millis(4);

/// Calls `look` until it returns something. It uses no async runtime, since `look` may have its
/// own.
pub fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    // Nothing is ever sent; the channel serves as a timer.
    let (_nobody, nothing) = mpsc::channel::<()>();
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(since.elapsed() < DEADLINE, "gave up waiting until {what}");
        let _ = nothing.recv_timeout(PAUSE);
    }
}

/// Calls `look` until it returns true.
pub fn until(what: &str, mut look: impl FnMut() -> bool) {
    until_some(what, || look().then_some(()));
}
