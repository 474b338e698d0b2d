//! How far a replica is behind its primary.

use std::time::Duration;

use super::error::{Error, Said};
use super::hrana::{Hrana, Reply};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};

/// A replica is only milliseconds behind; this allows for a machine under load.
const CATCH_UP_DEADLINE: Duration = Duration::from_secs(10);

/// Waits until `replica` has reached the replication index of `primary`, both for the same
/// namespace; returns that index.
///
/// # Errors
/// When either does not answer, or the replica does not catch up in time.
pub async fn catch_up(primary: &Hrana, replica: &Hrana) -> Result<u64> {
    let reply = primary.execute("SELECT 1").await?;
    let Some(target) = reply.replication_index() else {
        return Err(refusal("the primary", &reply).into());
    };
    let index = poll(&format!("the replica is at index {target}"), CATCH_UP_DEADLINE, async || {
        let reply = replica.execute("SELECT 1").await?;
        if matches!(reply.status, 401 | 403) {
            return Err(refusal("the replica", &reply).into());
        }
        Ok(match reply.replication_index() {
            Some(index) if index >= target => Attempt::Done(index),
            Some(index) => Attempt::Again(format!("index {index}")),
            None => Attempt::Again(reply.describe()),
        })
    })
    .await?;
    until_described(replica).await?;
    Ok(index)
}

/// A replica that has reached an index, and whose statements see it, may still answer "no such
/// table" to a `describe` of the newest table for some milliseconds (measured on sqld 0.24.32 under
/// load). Clients such as the `libsql` crate begin every statement with a `describe`.
async fn until_described(replica: &Hrana) -> Result<()> {
    let newest = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid DESC LIMIT 1";
    let reply = replica.execute(newest).await?;
    let Some(table) = reply.scalar() else { return Ok(()) };
    let sql = format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""));
    poll(&format!("the replica describes `{table}`"), CATCH_UP_DEADLINE, async || {
        let described = replica.describe(&sql).await?;
        Ok(match described.sql_error() {
            None => Attempt::Done(()),
            Some((_, message)) => Attempt::Again(message.to_owned()),
        })
    })
    .await
}

fn refusal(server: &str, reply: &Reply) -> Error {
    let (server, source) = (server.to_owned(), Said(reply.describe()));
    match reply.status {
        status @ (401 | 403) => Error::TokenRefused { server, status, source },
        404 => Error::NoSuchNamespace { server, source },
        status => Error::Status { server, status, source },
    }
}
