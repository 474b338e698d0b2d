//! Asks the server itself before the crate does.
//!
//! The crate tries its handshake three times, a second apart, and then reports "timeout", whether
//! the token was refused or the server is away. Moreover, its gRPC route gives any namespace to a
//! token for another one, which the HTTP API of the server refuses (`demo probe`,
//! `embedded-refused-token`, `embedded-scoped-token`).

use std::time::Duration;

use super::Source;
use crate::failure;
use demo_base::error::{Diagnosis, Fault, Result};
use demo_base::exit_code::ExitCode;

/// A healthy server answers within milliseconds, and a user is waiting for this.
const DEADLINE: Duration = Duration::from_secs(2);

/// The answer of a server that did not refuse.
#[derive(Debug)]
pub enum Answer {
    /// It accepts the token and is at this replication index.
    Index(u64),
    /// It does not answer, or reports an internal error. Exit 3.
    Away(Fault),
}

/// Asks with a read.
///
/// # Errors
/// Exit 4 for a token that the server refuses, or that is for other namespaces;
/// exit 5 for a namespace that it does not have.
pub async fn ask(source: &Source) -> Result<Answer> {
    let server = source.endpoint.describe();
    let Ok(outcome) = tokio::time::timeout(DEADLINE, source.hrana.execute("SELECT 1")).await else {
        return Ok(Answer::Away(Fault::unreachable(format!("{server} did not answer in time"))));
    };
    let reply = match outcome {
        Ok(reply) => reply,
        Err(error) => {
            return match Diagnosis::of(&error) {
                diagnosis if diagnosis.code == ExitCode::Unreachable => {
                    Ok(Answer::Away(error.downcast::<Fault>()?))
                }
                _ => Err(error),
            };
        }
    };
    if let Some(index) = reply.replication_index() {
        return Ok(Answer::Index(index));
    }
    if reply.status == 429 || reply.status >= 500 {
        let fault = Fault::unreachable(format!("{server} reports an internal error"));
        return Ok(Answer::Away(fault.because(reply.describe())));
    }
    if reply.status == 404 && is_there(source).await {
        let name = source.endpoint.namespace().map_or("default", |name| name.as_str());
        return Err(Fault::rejected(format!(
            "the token is not for namespace `{name}` of {server}"
        ))
        .because(reply.describe())
        .hint(format!("make one with `demo token mint --namespace {name}`"))
        .into());
    }
    let fault = failure::of_reply(&reply, &source.endpoint).unwrap_or_else(|| {
        Fault::failed(format!("{server} does not say its replication index"))
            .because(reply.describe())
    });
    Err(fault.into())
}

/// The server answers 404 to a token for other namespaces, as if this namespace did not exist.
/// Without a token it answers 401 if the namespace exists.
async fn is_there(source: &Source) -> bool {
    let asked = tokio::time::timeout(DEADLINE, source.anonymous.execute("SELECT 1")).await;
    matches!(asked, Ok(Ok(reply)) if reply.status == 401)
}
