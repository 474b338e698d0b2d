//! Opens and syncs a replica through the `libsql` crate.

use std::path::Path;
use std::time::Duration;

use libsql::{Builder, Database};
use secrecy::{ExposeSecret, SecretString};

use crate::connector::Connector;
use crate::endpoint::Endpoint;
use crate::error::Error;

/// Long enough to fetch a whole database; what has arrived by then is kept.
const DEADLINE: Duration = Duration::from_secs(120);

/// The result of a sync.
#[derive(Clone, Copy, Debug)]
pub struct Pulled {
    /// The replication index after the sync; `None` for a database without a write.
    pub index: Option<u64>,
    /// The number of pages that were transferred.
    pub frames: usize,
}

/// Why a sync failed.
#[derive(Debug)]
pub enum Failure {
    /// The local files cannot be used.
    Damaged(String),
    /// The server, or the connection to it.
    Server(String),
}

/// Opens an embedded replica in `file`, as users of the crate do; with an interval it syncs in the
/// background. Nothing is sent before that or the first `sync()`. The inner error is the crate's.
///
/// # Errors
/// As [`Connector::new`].
pub async fn open(
    file: &Path,
    endpoint: &Endpoint,
    token: &SecretString,
    interval: Option<Duration>,
) -> Result<libsql::Result<Database>, Error> {
    let token = token.expose_secret().to_owned();
    let mut builder = Builder::new_remote_replica(file, endpoint.url(), token)
        .connector(Connector::new(endpoint)?);
    if let Some(interval) = interval {
        builder = builder.sync_interval(interval);
    }
    // Without a namespace the crate takes the first label of the URL's host, as the server does
    // over HTTP.
    Ok(match endpoint.namespace() {
        None => builder.build().await,
        Some(name) => builder.namespace(name.as_str()).build().await,
    })
}

/// Opens, syncs and closes the replica in `file`.
///
/// # Errors
/// As [`Connector::new`]; the inner error is that of the sync.
pub async fn pull(
    file: &Path,
    endpoint: &Endpoint,
    token: &SecretString,
) -> Result<Result<Pulled, Failure>, Error> {
    let database = match open(file, endpoint, token, None).await? {
        Ok(database) => database,
        Err(error) => return Ok(Err(Failure::Damaged(error.to_string()))),
    };
    Ok(match tokio::time::timeout(DEADLINE, database.sync()).await {
        Ok(Ok(synced)) => Ok(Pulled { index: synced.frame_no(), frames: synced.frames_synced() }),
        Ok(Err(error)) => Err(failure(&error.to_string())),
        Err(_elapsed) => {
            Err(Failure::Server(format!("not completed within {} s", DEADLINE.as_secs())))
        }
    })
}

/// The crate reports errors only as text. It mentions its injector or its metadata file when the
/// local files are at fault (read in its source, 0.10.0).
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
