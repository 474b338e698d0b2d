//! The crate's half: opening a replica and syncing it.

use std::path::Path;
use std::time::Duration;

use libsql::{Builder, Database};
use secrecy::{ExposeSecret, SecretString};

use crate::connector::Connector;
use crate::endpoint::Endpoint;
use demo_base::error::Result;

/// The whole database may come; what has come by then is kept.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a sync brought.
#[derive(Clone, Copy, Debug)]
pub struct Pulled {
    /// The replication index after it; none for a database without a write.
    pub index: Option<u64>,
    /// Pages that were sent.
    pub frames: usize,
}

/// Why a sync failed.
#[derive(Debug)]
pub enum Failure {
    /// The local files cannot be used.
    Damaged(String),
    /// The server, or the way to it.
    Server(String),
}

/// An embedded replica in `file`, as the crate's users open one; with an
/// interval it syncs by itself, in the background. Nothing is sent before that
/// or the first `sync()`. The inner error is the crate's.
///
/// # Errors
/// Exit 2 for an endpoint that cannot be dialled.
pub async fn open(
    file: &Path,
    endpoint: &Endpoint,
    token: &SecretString,
    interval: Option<Duration>,
) -> Result<libsql::Result<Database>> {
    let token = token.expose_secret().to_owned();
    let mut builder = Builder::new_remote_replica(file, endpoint.url(), token)
        .connector(Connector::new(endpoint)?);
    if let Some(interval) = interval {
        builder = builder.sync_interval(interval);
    }
    // Without a name the crate takes the first label of the URL's host, and so
    // does the server over HTTP.
    Ok(match endpoint.namespace() {
        None => builder.build().await,
        Some(name) => builder.namespace(name.as_str()).build().await,
    })
}

/// Opens, syncs and closes the replica in `file`.
///
/// # Errors
/// Exit 2 for an endpoint that cannot be dialled; the inner error is a sync's.
pub async fn pull(
    file: &Path,
    endpoint: &Endpoint,
    token: &SecretString,
) -> Result<Result<Pulled, Failure>> {
    let database = match open(file, endpoint, token, None).await? {
        Ok(database) => database,
        Err(error) => return Ok(Err(Failure::Damaged(error.to_string()))),
    };
    Ok(match tokio::time::timeout(DEADLINE, database.sync()).await {
        Ok(Ok(synced)) => Ok(Pulled { index: synced.frame_no(), frames: synced.frames_synced() }),
        Ok(Err(error)) => Err(failure(&error.to_string())),
        Err(_elapsed) => Err(Failure::Server(format!("not done after {} s", DEADLINE.as_secs()))),
    })
}

/// What the crate says is text only: of its injector and its metadata file it
/// speaks when the local files are at fault (read in its source, 0.10.0).
fn failure(text: &str) -> Failure {
    let local = ["Injector error", "Replication meta error", "SQLite failure", "malformed"];
    if local.iter().any(|word| text.contains(word)) {
        Failure::Damaged(text.to_owned())
    } else {
        Failure::Server(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_files_themselves_make_a_copy_damaged() {
        let server = ["replication error: Timeout performing handshake with primary", "eof"];
        assert!(server.iter().all(|text| matches!(failure(text), Failure::Server(_))));
        let local =
            ["replication error: Injector error: Fatal", "database disk image is malformed"];
        assert!(local.iter().all(|text| matches!(failure(text), Failure::Damaged(_))));
    }
}
