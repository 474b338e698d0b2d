//! The writes of embedded replicas: calls of `proxy.Proxy` over gRPC-web.
//!
//! The server finds the connection of a call by the client id inside it and
//! forgets to ask whose it is. The gate replaces each id by one that nobody else
//! can have: made of the id, the namespace and who asks.

use bytes::{BufMut, Bytes, BytesMut};
use libsql_replication::rpc::proxy::{DescribeRequest, DisconnectMessage, ProgramReq};
use prost::Message;
use sha2::{Digest, Sha256};

use super::{Refusal, words};
use crate::hex;

/// Flags and length before each message.
const HEAD: usize = 5;

const MALFORMED: Refusal = Refusal::Malformed("it is not one plain message of gRPC-web");

/// The calls that the official client makes. The others of the service stay shut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Call {
    Execute,
    Describe,
    Disconnect,
}

impl Call {
    /// The call of a path, if it is one that may pass.
    pub fn of(path: &str) -> Option<Self> {
        match path {
            "/proxy.Proxy/Execute" => Some(Self::Execute),
            "/proxy.Proxy/Describe" => Some(Self::Describe),
            "/proxy.Proxy/Disconnect" => Some(Self::Disconnect),
            _ => None,
        }
    }
}

/// Looks at a call and gives it a client id of its owner's own. `owner` is what
/// tells one holder of a right from another: namespace, subject, access.
///
/// # Errors
/// [`Refusal::Word`]; [`Refusal::Malformed`] for more or less than one message
/// that is not compressed.
pub fn rewrite(call: Call, body: &[u8], owner: &str) -> Result<Bytes, Refusal> {
    let message = unframe(body)?;
    Ok(match call {
        Call::Execute => {
            let mut request = ProgramReq::decode(message).map_err(|_| MALFORMED)?;
            let steps = request.pgm.iter().flat_map(|program| &program.steps);
            let statements = steps.filter_map(|step| step.query.as_ref());
            statements.map(|query| query.stmt.as_str()).try_for_each(check)?;
            request.client_id = own(&request.client_id, owner);
            frame(&request)
        }
        Call::Describe => {
            let mut request = DescribeRequest::decode(message).map_err(|_| MALFORMED)?;
            check(&request.stmt)?;
            request.client_id = own(&request.client_id, owner);
            frame(&request)
        }
        Call::Disconnect => {
            let mut request = DisconnectMessage::decode(message).map_err(|_| MALFORMED)?;
            request.client_id = own(&request.client_id, owner);
            frame(&request)
        }
    })
}

fn check(sql: &str) -> Result<(), Refusal> {
    words::find(sql).map_or(Ok(()), |word| Err(Refusal::Word(word)))
}

/// A UUID (version 8) that stands for `client` of `owner`.
fn own(client: &str, owner: &str) -> String {
    let mut digest = Sha256::new();
    // The length keeps apart what would read the same when joined.
    digest.update((owner.len() as u64).to_be_bytes());
    digest.update(owner.as_bytes());
    digest.update(client.as_bytes());
    let digest = digest.finalize();
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = hex::encode(&bytes);
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

fn unframe(body: &[u8]) -> Result<&[u8], Refusal> {
    let (head, message) = body.split_first_chunk::<HEAD>().ok_or(MALFORMED)?;
    let [flags, length @ ..] = *head;
    // A second message, a trailer, or a compressed one would pass unseen.
    let whole = u32::from_be_bytes(length) as usize == message.len();
    if flags == 0 && whole { Ok(message) } else { Err(MALFORMED) }
}

fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut body = BytesMut::with_capacity(HEAD + length);
    body.put_u8(0);
    body.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    body.put_slice(&message.encode_to_vec());
    body.freeze()
}

#[cfg(test)]
mod tests {
    use libsql_replication::rpc::proxy::{Program, Query, Step};

    use super::*;

    fn program(sql: &str) -> Bytes {
        let query = Query { stmt: sql.to_owned(), ..Query::default() };
        let steps = vec![Step { cond: None, query: Some(query) }];
        let client_id = "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned();
        frame(&ProgramReq { client_id, pgm: Some(Program { steps }) })
    }

    fn client(body: &Bytes) -> String {
        ProgramReq::decode(unframe(body).unwrap()).unwrap().client_id
    }

    #[test]
    fn a_client_id_is_one_for_each_owner_and_always_the_same() {
        let body = program("INSERT INTO t VALUES (1)");
        let one = rewrite(Call::Execute, &body, "alpha alice rw").unwrap();
        let again = rewrite(Call::Execute, &body, "alpha alice rw").unwrap();
        let other = rewrite(Call::Execute, &body, "beta alice rw").unwrap();
        assert_eq!(one, again);
        assert_ne!(client(&one), client(&other));
        assert_ne!(client(&one), client(&body));
        assert_eq!(client(&one).len(), 36);
        let statement = |body: &Bytes| {
            let request = ProgramReq::decode(unframe(body).unwrap()).unwrap();
            request.pgm.unwrap().steps[0].query.clone().unwrap().stmt
        };
        assert_eq!(statement(&one), "INSERT INTO t VALUES (1)");
    }

    #[test]
    fn sql_that_reaches_files_is_refused() {
        let body = program("INSERT INTO t SELECT readfile('/etc/passwd')");
        assert_eq!(rewrite(Call::Execute, &body, "o"), Err(Refusal::Word("readfile")));
        let describe = DescribeRequest { client_id: String::new(), stmt: "SELECT FsDir(1)".into() };
        let refused = rewrite(Call::Describe, &frame(&describe), "o");
        assert_eq!(refused, Err(Refusal::Word("fsdir")));
    }

    #[test]
    fn what_is_not_one_plain_message_is_refused() {
        let body = program("SELECT 1");
        let two = [body.clone(), body.clone()].concat();
        let mut compressed = body.to_vec();
        compressed[0] = 1;
        for bad in
            [&body[..4], &body[..body.len() - 1], &two, &compressed, b"", b"\0\0\0\0\x01\xff"]
        {
            assert_eq!(rewrite(Call::Execute, bad, "o"), Err(MALFORMED), "{bad:?}");
        }
    }

    #[test]
    fn only_the_calls_of_the_client_have_a_name() {
        assert_eq!(Call::of("/proxy.Proxy/Execute"), Some(Call::Execute));
        assert_eq!(Call::of("/proxy.Proxy/StreamExec"), None);
        assert_eq!(Call::of("/proxy.Proxy/execute"), None);
    }
}
