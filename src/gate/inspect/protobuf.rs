//! Hrana in protobuf; what is sent over HTTP is read with the types that the server reads it with.

use libsql_hrana::proto::{Batch, CursorReqBody, PipelineReqBody, StreamRequest};
use prost::Message;

use super::{Refusal, words};

const MALFORMED: Refusal = Refusal::Malformed("it is not Hrana in protobuf");

/// Looks at a pipeline's body.
///
/// # Errors
/// [`Refusal::Word`]; [`Refusal::Malformed`] where it cannot be read.
pub fn pipeline(body: &[u8]) -> Result<(), Refusal> {
    let body = PipelineReqBody::decode(body).map_err(|_| MALFORMED)?;
    for request in &body.requests {
        match request {
            StreamRequest::Execute(request) => check(request.stmt.sql.as_deref())?,
            StreamRequest::Batch(request) => batch(&request.batch)?,
            StreamRequest::Sequence(request) => check(request.sql.as_deref())?,
            StreamRequest::Describe(request) => check(request.sql.as_deref())?,
            StreamRequest::StoreSql(request) => check(Some(&request.sql))?,
            StreamRequest::None
            | StreamRequest::Close(_)
            | StreamRequest::CloseSql(_)
            | StreamRequest::GetAutocommit(_) => {}
        }
    }
    Ok(())
}

/// Looks at a cursor's body.
///
/// # Errors
/// As [`pipeline`].
pub fn cursor(body: &[u8]) -> Result<(), Refusal> {
    let body = CursorReqBody::decode(body).map_err(|_| MALFORMED)?;
    batch(&body.batch)
}

/// Looks at a message whose fields nobody here knows: one that has a word
/// anywhere, in an argument too, does not pass.
///
/// # Errors
/// [`Refusal::Word`].
pub fn bytes(message: &[u8]) -> Result<(), Refusal> {
    words::find(message).map_or(Ok(()), |word| Err(Refusal::Word(word)))
}

fn batch(batch: &Batch) -> Result<(), Refusal> {
    batch.steps.iter().try_for_each(|step| check(step.stmt.sql.as_deref()))
}

fn check(sql: Option<&str>) -> Result<(), Refusal> {
    sql.and_then(|sql| words::find(sql.as_bytes())).map_or(Ok(()), |word| Err(Refusal::Word(word)))
}
