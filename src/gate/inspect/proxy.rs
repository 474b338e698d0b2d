//! The writes of embedded replicas: messages of the calls of `proxy.Proxy`.

use libsql_replication::rpc::proxy::{DescribeRequest, ProgramReq};
use prost::Message;

use super::{Refusal, words};

const MALFORMED: Refusal = Refusal::Malformed("it is not the message of this call");

/// The calls that the official client makes. The others of the service stay shut.
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

/// Looks at a message.
///
/// # Errors
/// [`Refusal::Word`]; [`Refusal::Malformed`] where it cannot be read.
pub fn check(call: Call, message: &[u8]) -> Result<(), Refusal> {
    match call {
        Call::Execute => {
            let request = ProgramReq::decode(message).map_err(|_| MALFORMED)?;
            let steps = request.pgm.iter().flat_map(|program| &program.steps);
            let mut statements = steps.filter_map(|step| step.query.as_ref());
            statements.try_for_each(|query| sql(&query.stmt))
        }
        Call::Describe => sql(&DescribeRequest::decode(message).map_err(|_| MALFORMED)?.stmt),
    }
}

fn sql(text: &str) -> Result<(), Refusal> {
    words::find(text.as_bytes()).map_or(Ok(()), |word| Err(Refusal::Word(word)))
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
        assert_eq!(check(Call::Execute, &program("INSERT INTO t VALUES (1)")), Ok(()));
        let reads = program("INSERT INTO t SELECT readfile('/etc/passwd')");
        assert_eq!(check(Call::Execute, &reads), Err(Refusal::Word("readfile")));
        let describe = DescribeRequest { client_id: String::new(), stmt: "SELECT FsDir(1)".into() };
        let refused = check(Call::Describe, &describe.encode_to_vec());
        assert_eq!(refused, Err(Refusal::Word("fsdir")));
    }

    #[test]
    fn what_is_no_such_message_is_refused() {
        assert_eq!(check(Call::Execute, b"\xff"), Err(MALFORMED));
    }
}
