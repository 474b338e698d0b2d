//! The runtime of a service: all cores, apart from the one thread of `main`.

use std::future::Future;

use tokio::sync::oneshot;

use demo_base::error::{Fault, Result};

/// Runs `service` on a runtime with a thread for each core, and waits for its end.
///
/// `main` has one thread, because a server that is tied to its parent's life is
/// tied to the thread that started it; a service starts no servers.
///
/// # Errors
/// The service's own; exit 1 when its threads cannot be started or it panics.
pub async fn on_all_cores<T: Send + 'static>(
    service: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (done, outcome) = oneshot::channel();
    std::thread::Builder::new().name("service".to_owned()).spawn(move || {
        // Nobody waits any more when `main` has been interrupted.
        let _ = done.send(runtime.block_on(service));
    })?;
    outcome.await.map_err(|_| Fault::failed("the service ended in a panic"))?
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
