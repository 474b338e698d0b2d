//! Reads protobuf, with the types that the server uses.

use libsql_hrana::proto::{Batch, CursorReqBody, PipelineReqBody, StreamRequest};
use libsql_replication::rpc::proxy::{DescribeRequest, ProgramReq};
use prost::Message;

use super::{Inspection, Refusal};
use crate::grpc::{self, Call};
use crate::paths::ProxyCall;
use crate::protobuf::{Field, fields, is_short};

const NO_HRANA: Refusal = Refusal::Malformed(
    "the body is not valid for this route: it is not a Hrana request in protobuf",
);
const NO_CALL: Refusal =
    Refusal::Malformed("the body is not valid for this route: it is not the message of this call");
const TOO_MANY: Refusal = Refusal::Malformed(
    "the body is not valid for this route: it has too many requests and statements",
);

/// Reads the body of a pipeline or a `cursor`, and returns its baton.
pub fn stream(cursor: bool, body: &[u8], sql: &mut Inspection) -> Result<Option<String>, Refusal> {
    if cursor {
        let body: CursorReqBody = read(body, &[2], NO_HRANA, |_| ())?;
        batch(&body.batch, sql)?;
        return Ok(body.baton);
    }
    let body: PipelineReqBody = read(body, &[2, 3, 1], NO_HRANA, |_| ())?;
    for request in &body.requests {
        match request {
            StreamRequest::Execute(request) => sql.add_some(request.stmt.sql.as_ref())?,
            StreamRequest::Batch(request) => batch(&request.batch, sql)?,
            StreamRequest::Sequence(request) => sql.add_some(request.sql.as_ref())?,
            StreamRequest::Describe(request) => sql.add_some(request.sql.as_ref())?,
            StreamRequest::StoreSql(request) => sql.add(&request.sql, true)?,
            StreamRequest::None
            | StreamRequest::Close(_)
            | StreamRequest::CloseSql(_)
            | StreamRequest::GetAutocommit(_) => {}
        }
    }
    Ok(body.baton)
}

fn batch(batch: &Batch, sql: &mut Inspection) -> Result<(), Refusal> {
    batch.steps.iter().try_for_each(|step| sql.add_some(step.stmt.sql.as_ref()))
}

/// Reads the body of `call`.
pub fn call<'a>(
    call: ProxyCall,
    body: &'a [u8],
    sql: &mut Inspection,
) -> Result<Call<'a>, Refusal> {
    let message = grpc::message(body)?;
    let mut id = None;
    let (mut seen, mut before) = (0, 0);
    let each = |field: &Field<'a>| {
        if field.number == 1 {
            (id, before) = (Some(*field), seen);
        }
        seen += field.whole.len();
    };
    match call {
        ProxyCall::Execute => {
            let request: ProgramReq = read(message, &[2], NO_CALL, each)?;
            let steps = request.pgm.iter().flat_map(|program| &program.steps);
            let mut statements = steps.filter_map(|step| step.query.as_ref());
            statements.try_for_each(|query| sql.add(&query.stmt, true))?;
        }
        ProxyCall::Describe => {
            let request: DescribeRequest = read(message, &[], NO_CALL, each)?;
            sql.add(&request.stmt, true)?;
        }
    }
    let id = id.ok_or(grpc::NOT_ONE_MESSAGE)?;
    let client = id.content.ok_or(grpc::NOT_ONE_MESSAGE)?;
    Ok(Call { client, rest: [&message[..before], &message[before + id.whole.len()..]] })
}

/// Reads `message` field by field, as the server does, and shows each to `see`. The lists in
/// it are at the end of `path`. Of a second field 1, the baton or client id, the server would
/// use only one; it is not valid here.
fn read<'a, T: Message + Default>(
    message: &'a [u8],
    path: &[u64],
    invalid: Refusal,
    mut see: impl FnMut(&Field<'a>),
) -> Result<T, Refusal> {
    // What is decoded takes far more memory than the message.
    match is_short(message, path) {
        Some(true) => {}
        Some(false) => return Err(TOO_MANY),
        None => return Err(invalid),
    }
    let mut whole = T::default();
    let mut first = 0;
    for field in fields(message) {
        let Some(field) = field.filter(|field| whole.merge(field.whole).is_ok()) else {
            return Err(invalid);
        };
        first += usize::from(field.number == 1);
        see(&field);
    }
    if first < 2 { Ok(whole) } else { Err(invalid) }
}
