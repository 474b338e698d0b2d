//! The runtime of a service, which uses all cores, separate from the single thread of `main`.

use std::future::Future;

use tokio::sync::oneshot;

use crate::Error;
use demo_base::error::Result;

/// Runs `service` on a runtime with a thread for each core, and waits until it ends.
///
/// `main` has a single thread, because a database server that must end with its parent
/// ends with the thread that started it. A service starts no such servers.
///
/// # Errors
/// Those of the service; [`Error::Panicked`] when it panics; the system's error when its
/// threads cannot be started.
pub async fn on_all_cores<T: Send + 'static>(
    service: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (done, outcome) = oneshot::channel();
    std::thread::Builder::new().name("service".to_owned()).spawn(move || {
        // Sending fails if `main` was interrupted and no longer waits.
        let _ = done.send(runtime.block_on(service));
    })?;
    outcome.await.map_err(|_| Error::Panicked)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_outcome_of_the_service_comes_back() {
        assert_eq!(on_all_cores(async { Ok(7) }).await.unwrap(), 7);
        let failed = on_all_cores::<()>(async { Err(anyhow::anyhow!("no")) }).await;
        assert_eq!(failed.unwrap_err().to_string(), "no");
    }
}
