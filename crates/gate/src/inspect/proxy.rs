//! The writes of embedded replicas: messages of the calls of `proxy.Proxy`.

use libsql_replication::rpc::proxy::{DescribeRequest, ProgramReq};
use prost::Message;

use super::{Judged, Refusal, Right, Sum};

const MALFORMED: Refusal = Refusal::Malformed("it is not the message of this call");

/// The calls that the official client makes. The gate refuses the others of the service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Call {
    Execute,
    Describe,
}

impl Call {
    /// The call of a path, if it is one that may pass.
    pub fn of(path: &str) -> Option<Self> {
        match path {
            "/proxy.Proxy/Execute" => Some(Self::Execute),
            "/proxy.Proxy/Describe" => Some(Self::Describe),
            _ => None,
        }
    }
}

/// Checks a message from a client with `right`.
///
/// # Errors
/// [`Refusal::Sql`]; [`Refusal::Malformed`] when it cannot be read.
pub fn check(call: Call, message: &[u8], right: Right) -> Result<Judged, Refusal> {
    let mut sum = Sum::new(right);
    match call {
        Call::Execute => {
            let request = ProgramReq::decode(message).map_err(|_| MALFORMED)?;
            let steps = request.pgm.iter().flat_map(|program| &program.steps);
            let mut statements = steps.filter_map(|step| step.query.as_ref());
            statements.try_for_each(|query| sum.add(&query.stmt))?;
        }
        Call::Describe => {
            sum.add(&DescribeRequest::decode(message).map_err(|_| MALFORMED)?.stmt)?;
        }
    }
    Ok(sum.judged)
}

#[cfg(test)]
mod tests {
    use libsql_replication::rpc::proxy::{Program, Query, Step};

    use super::*;

    fn program(sql: &str) -> Vec<u8> {
        let query = Query { stmt: sql.to_owned(), ..Query::default() };
        let steps = vec![Step { cond: None, query: Some(query) }];
        ProgramReq { client_id: "c".to_owned(), pgm: Some(Program { steps }) }.encode_to_vec()
    }

    #[test]
    fn sql_that_reaches_files_is_refused() {
        let write = |message: &[u8]| check(Call::Execute, message, Right::Write);
        assert_eq!(write(&program("INSERT INTO t VALUES (1)")), Ok(Judged { statements: 1 }));
        let reads = program("INSERT INTO t SELECT readfile('/etc/passwd')");
        assert!(matches!(write(&reads), Err(Refusal::Sql(_))));
        let describe = |sql: &str| {
            let request = DescribeRequest { client_id: String::new(), stmt: sql.to_owned() };
            check(Call::Describe, &request.encode_to_vec(), Right::Read)
        };
        assert!(matches!(describe("SELECT FsDir(1)"), Err(Refusal::Sql(_))));
        assert_eq!(describe("SELECT abs(1)"), Ok(Judged { statements: 1 }));
    }

    #[test]
    fn a_malformed_message_is_refused() {
        assert_eq!(check(Call::Execute, b"\xff", Right::Write), Err(MALFORMED));
    }
}
