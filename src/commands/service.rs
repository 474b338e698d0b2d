//! What the long-running commands have in common.

use std::future::Future;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::signals;
use crate::exit_code::ExitCode;
use crate::logs::{self, LogFormat};
use demo_base::error::Result;
use demo_service::runtime;

/// Completes when the service is to end.
pub type End = BoxFuture<'static, ()>;

/// Starts logging and runs `serve` on all cores until a signal ends it: SIGTERM is the normal way
/// (exit 0), Ctrl-C an interruption (exit 130).
///
/// # Errors
/// Exit 2 for an unknown log level; the errors of the service itself.
pub async fn run<F>(
    format: LogFormat,
    level: &str,
    serve: impl FnOnce(End) -> F + Send + 'static,
) -> Result<ExitCode>
where
    F: Future<Output = Result<()>> + Send,
{
    logs::start(format, level)?;
    runtime::on_all_cores(async move {
        let (tell, told) = oneshot::channel();
        // Installed before clients can connect, so that no signal meets the default action.
        let end = tokio::spawn(async move {
            let code = signals::end_of_service().await;
            // The service has ended by itself and no longer listens.
            let _ = tell.send(());
            code
        });
        serve(told.map(drop).boxed()).await?;
        end.await?
    })
    .await
}
