//! Hrana in protobuf over HTTP, read with the same types that the server uses.

use libsql_hrana::proto::{Batch, CursorReqBody, PipelineReqBody, StreamRequest};
use prost::Message;

use super::{Judged, Refusal, Right, Sum};

const MALFORMED: Refusal = Refusal::Malformed("it is not a Hrana request in protobuf");

/// Checks the body of a pipeline.
///
/// # Errors
/// [`Refusal::Sql`]; [`Refusal::Malformed`] when it cannot be read.
pub fn pipeline(body: &[u8], right: Right) -> Result<Judged, Refusal> {
    let mut sum = Sum::new(right);
    let body = PipelineReqBody::decode(body).map_err(|_| MALFORMED)?;
    for request in &body.requests {
        match request {
            StreamRequest::Execute(request) => sum.add_some(request.stmt.sql.as_deref())?,
            StreamRequest::Batch(request) => batch(&request.batch, &mut sum)?,
            StreamRequest::Sequence(request) => sum.add_some(request.sql.as_deref())?,
            StreamRequest::Describe(request) => sum.add_some(request.sql.as_deref())?,
            StreamRequest::StoreSql(request) => sum.add(&request.sql)?,
            StreamRequest::None
            | StreamRequest::Close(_)
            | StreamRequest::CloseSql(_)
            | StreamRequest::GetAutocommit(_) => {}
        }
    }
    Ok(sum.judged)
}

/// Checks the body of a cursor.
///
/// # Errors
/// As [`pipeline`].
pub fn cursor(body: &[u8], right: Right) -> Result<Judged, Refusal> {
    let mut sum = Sum::new(right);
    let body = CursorReqBody::decode(body).map_err(|_| MALFORMED)?;
    batch(&body.batch, &mut sum)?;
    Ok(sum.judged)
}

fn batch(batch: &Batch, sum: &mut Sum) -> Result<(), Refusal> {
    batch.steps.iter().try_for_each(|step| sum.add_some(step.stmt.sql.as_deref()))
}
