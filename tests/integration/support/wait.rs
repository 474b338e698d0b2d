//! Waiting with a deadline, never for a fixed time.

use std::time::Duration;

use demo::ready::{Attempt, poll};

/// Far beyond anything that a loaded machine needs.
const DEADLINE: Duration = Duration::from_secs(20);

/// Looks until `look` gives something.
pub fn until_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let attempt = async || {
        Ok(match look() {
            Some(value) => Attempt::Done(value),
            None => Attempt::Again("not yet".to_owned()),
        })
    };
    runtime.block_on(poll(what, DEADLINE, attempt)).unwrap()
}

/// Looks until it is so.
pub fn until(what: &str, mut look: impl FnMut() -> bool) {
    until_some(what, || look().then_some(()));
}
