//! Asks the server itself before the crate does.
//!
//! The crate tries its handshake three times, a second apart, and then reports "timeout", whether
//! the token was refused or the server is away. Moreover, its gRPC route gives any namespace to a
//! token for another one, which the HTTP API of the server refuses (`demo probe`,
//! `embedded-refused-token`, `embedded-scoped-token`).

use std::time::Duration;

use super::Source;
use crate::error::{Error, Said};

/// A healthy server answers within milliseconds, and a user is waiting for this.
const DEADLINE: Duration = Duration::from_secs(2);

/// The answer of a server that did not refuse.
#[derive(Debug)]
pub enum Answer {
    /// It accepts the token and is at this replication index.
    Index(u64),
    /// It does not answer, or reports an internal error; [`Error::is_away`].
    Away(Error),
}

/// Asks with a read.
///
/// # Errors
/// When the server refuses the token, or does not have the namespace.
pub async fn ask(source: &Source) -> Result<Answer, Error> {
    let server = source.endpoint.describe();
    let Ok(outcome) = tokio::time::timeout(DEADLINE, source.hrana.execute("SELECT 1")).await else {
        return Ok(Answer::Away(Error::Silent { server }));
    };
    let reply = match outcome {
        Ok(reply) => reply,
        Err(error) if error.is_away() => return Ok(Answer::Away(error)),
        Err(error) => return Err(error),
    };
    if let Some(index) = reply.replication_index() {
        return Ok(Answer::Index(index));
    }
    let said = Said(reply.describe());
    if reply.status == 429 || reply.status >= 500 {
        return Ok(Answer::Away(Error::Unwell { server, source: said }));
    }
    if reply.status == 404 && is_there(source).await {
        let namespace = source.endpoint.namespace().map_or("default", |name| name.as_str());
        return Err(Error::OtherNamespace {
            server,
            namespace: namespace.to_owned(),
            source: said,
        });
    }
    Err(reply.error(&source.endpoint).unwrap_or(Error::UnusableAnswer {
        server,
        what: said.0,
        source: None,
    }))
}

/// The server answers 404 to a token for other namespaces, as if this namespace did not exist.
/// Without a token it answers 401 if the namespace exists.
async fn is_there(source: &Source) -> bool {
    let asked = tokio::time::timeout(DEADLINE, source.anonymous.execute("SELECT 1")).await;
    matches!(asked, Ok(Ok(reply)) if reply.status == 401)
}
