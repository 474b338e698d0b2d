//! What the probes of replication share.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Error, within};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld_client::hrana::{Hrana, Reply};
use demo_sqld_client::replication::catch_up;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::{Interface, ServicePlan};

/// A healthy server answers within milliseconds, so anything slower hangs.
pub const HANG: Duration = Duration::from_secs(2);
/// A replica follows within milliseconds; this is for a machine under load.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The reply, or `None` when the server hangs.
pub async fn ask(server: &Hrana, sql: &str) -> Result<Option<Reply>> {
    Ok(within(HANG, server.execute(sql)).await.transpose()?)
}

/// What became of a statement, in words that do not change from run to run.
pub fn outcome(reply: Option<&Reply>) -> String {
    match reply {
        None => "hangs".to_owned(),
        Some(reply) if reply.succeeded() => "succeeds".to_owned(),
        Some(reply) => match reply.sql_error() {
            Some((code, _)) => format!("fails with {code} inside a {}", reply.status),
            None if reply.body.contains("NAMESPACE_DOESNT_EXIST") => {
                format!("is answered {} NAMESPACE_DOESNT_EXIST", reply.status)
            }
            None => format!("is answered {}", reply.status),
        },
    }
}

/// The reply as evidence.
pub fn words(reply: Option<&Reply>) -> String {
    match reply {
        None => format!("no answer in {} s", HANG.as_secs()),
        Some(reply) if reply.succeeded() => match reply.execution() {
            Some(result) => format!("{} rows {}", reply.status, serde_json::json!(result.rows)),
            None => reply.status.to_string(),
        },
        Some(reply) => reply.describe(),
    }
}

/// Whether it becomes so within `limit`; an error counts as "not yet".
pub async fn eventually(limit: Duration, mut look: impl AsyncFnMut() -> Result<bool>) -> bool {
    let waited = poll("it is so", limit, async || {
        Ok(match look().await {
            Ok(true) => Attempt::Done(()),
            Ok(false) => Attempt::Again("not yet".to_owned()),
            Err(error) => Attempt::Again(error.to_string()),
        })
    });
    waited.await.is_ok()
}

/// Whether the first value that `sql` gives becomes `value`.
pub async fn shows(server: &Hrana, sql: &str, value: &str) -> bool {
    eventually(PATIENCE, async || Ok(server.execute(sql).await?.scalar() == Some(value))).await
}

/// Creates `t` with one row, `row`, which the replica has on its own disk when this
/// returns.
///
/// Until a replica has what its primary had at the first request for a namespace, it
/// forwards every read (libsql-server, `write_proxy.rs`): a row that it shows may be
/// the primary's. A `describe`, which ends `catch_up`, is never forwarded, and neither
/// is any read after it.
///
/// # Errors
/// When the replica does not follow.
pub async fn replicated(primary: &Hrana, replica: &Hrana, row: &str) -> Result<()> {
    run(primary, &["CREATE TABLE t (x)"]).await?;
    let loaded = shows(replica, "SELECT count(*) FROM t", "0").await;
    catch_up(primary, replica).await?;
    run(primary, &[&format!("INSERT INTO t VALUES ({row})")]).await?;
    let row = row.trim_matches('\'');
    if loaded && shows(replica, "SELECT max(x) FROM t", row).await {
        return Ok(());
    }
    Err(Error::experiment("the replica does not show the row").into())
}

/// Runs what must succeed for the probe to make sense.
///
/// # Errors
/// When it does not.
pub async fn run(server: &Hrana, statements: &[&str]) -> Result<()> {
    for sql in statements {
        let reply = server.execute(sql).await?;
        if !reply.succeeded() {
            return Err(Error::experiment_saw(format!("`{sql}` failed"), reply.describe()).into());
        }
    }
    Ok(())
}

/// The folder of a namespace on the host.
///
/// # Errors
/// When the service keeps its data in no folder of the host.
pub fn database(service: &ServicePlan, namespace: &str) -> Result<PathBuf, Error> {
    let root = service.namespaces_dir().ok_or_else(|| {
        Error::layout(format!("service `{}` keeps its data in no folder here", service.name))
    })?;
    Ok(root.join(namespace))
}

/// What `/health` answers.
///
/// # Errors
/// When nothing answers.
pub async fn health(stack: &EphemeralStack, service: &str) -> Result<u16> {
    let address = stack.address(service, Interface::Http)?;
    let answer = stack.http.get(format!("http://{address}/health")).send().await?;
    Ok(answer.status().as_u16())
}

/// What a service's log first says from `words` on, to the end of the line.
///
/// # Errors
/// When the log cannot be read.
pub async fn said(stack: &EphemeralStack, service: &str, words: &str) -> Result<Option<String>> {
    let log = stack.engine.logs(service, None).await?;
    Ok(log.lines().find_map(|line| Some(line[line.find(words)?..].to_owned())))
}
