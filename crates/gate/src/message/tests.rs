use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use libsql_hrana::proto::{
    Batch, BatchStep, CursorReqBody, ExecuteStreamReq, Stmt, StoreSqlStreamReq,
};
use libsql_replication::rpc::proxy::{DescribeRequest, Program, ProgramReq, Query, Step};
use prost::Message as _;
use serde_json::json;

use super::*;
use crate::paths::ProxyCall;
use crate::protobuf as wire;

const JSON: Encoding = Encoding::Json;
const PROTOBUF: Encoding = Encoding::Protobuf;
const EXECUTE: Endpoint = Endpoint::Proxy(ProxyCall::Execute);

fn parse(endpoint: Endpoint, body: &[u8]) -> Result<Message<'_>, Refusal> {
    Message::parse(endpoint, body, Right::Write, usize::MAX)
}

fn statements(endpoint: Endpoint, body: &[u8]) -> Result<u32, Refusal> {
    parse(endpoint, body).map(|message| message.statements)
}

/// The number of statements of a JSON body, which is the same for every endpoint.
fn judged(body: &[u8]) -> Result<u32, Refusal> {
    let seen = statements(Endpoint::Stateless, body);
    for endpoint in [Endpoint::Pipeline(JSON), Endpoint::Cursor(JSON)] {
        for kept in [0, usize::MAX] {
            let read = Message::parse(endpoint, body, Right::Write, kept);
            assert_eq!(read.map(|message| message.statements), seen);
        }
    }
    seen
}

fn stream(endpoint: Endpoint, body: &[u8]) -> Result<Stream<'_>, Refusal> {
    match parse(endpoint, body)?.content {
        Content::Stream(stream) => Ok(stream),
        other => panic!("{other:?}"),
    }
}

fn is_forbidden<T>(seen: &Result<T, Refusal>) -> bool {
    matches!(seen, Err(Refusal::Sql(sql::Refusal::Forbidden { .. })))
}

#[test]
fn a_forbidden_name_is_found_wherever_sql_can_be() {
    for body in [
        json!({"requests": [{"type": "execute", "stmt": {"sql": "SELECT readfile('x')"}}]}),
        json!({"requests": [{"type": "batch", "batch": {"steps": [{"stmt": {"sql": "SELECT ReadFile ('x')"}}]}}]}),
        json!({"requests": [{"type": "sequence", "sql": "CREATE VIEW v AS SELECT \"readfile\"('x')"}]}),
        json!({"requests": [{"type": "store_sql", "sql_id": 1, "sql": "SELECT [readfile](1)"}]}),
        json!({"stmt": {"sql": "SELECT 1; SELECT/**/readfile/**/('x')"}}),
        json!({"statements": ["SELECT readfile('x')"]}),
        json!({"statements": [{"q": "SELECT `readfile`('x')", "params": []}]}),
    ] {
        assert!(is_forbidden(&judged(body.to_string().as_bytes())), "{body}");
    }
}

#[test]
fn escaped_letters_and_duplicate_keys_hide_nothing() {
    let escaped = br#"{"stmt": {"sql": "SELECT \u0072eadfile('x')"}}"#;
    assert!(is_forbidden(&judged(escaped)));
    let twice = br#"{"stmt": {"sql": "SELECT readfile('x')", "sql": "SELECT 1"}}"#;
    assert!(is_forbidden(&judged(twice)));
    let key = br#"{"\u0061rgs": "x", "s\u0071l": "SELECT readfile('x')"}"#;
    assert!(is_forbidden(&judged(key)));
}

#[test]
fn arguments_and_longer_words_pass() {
    for body in [
        json!({"stmt": {"sql": "SELECT ?", "args": [{"type": "text", "value": "readfile('x')"}]}}),
        json!({"stmt": {"sql": "SELECT :a", "named_args": [{"name": "a", "value": {"type": "text", "value": "fsdir"}}]}}),
        json!({"statements": [{"q": "SELECT ?", "params": ["readfile"]}]}),
        json!({"stmt": {"sql": "SELECT my_readfile, readfiles, readfile2 FROM t"}}),
        json!({"stmt": {"sql": "SELECT 'Grüße'"}}),
    ] {
        assert!(judged(body.to_string().as_bytes()).is_ok(), "{body}");
    }
}

#[test]
fn a_body_that_is_not_json_is_refused() {
    for body in [&b"{\"sql\": \"SELECT"[..], b"\"a\" \"x\"", b"", b"\xff", b"{\"a\":\"\xff\"}"] {
        for endpoint in [Endpoint::Root, Endpoint::Pipeline(JSON), Endpoint::Cursor(JSON)] {
            let seen = statements(endpoint, body);
            assert!(matches!(seen, Err(Refusal::Malformed(_))), "{body:?}");
        }
    }
}

/// A pipeline with one request, whose kind `tag` says. The crate can only read pipelines, so
/// this writes the outer message.
fn pipeline(tag: u32, request: &impl prost::Message) -> Vec<u8> {
    let mut inner = Vec::new();
    prost::encoding::message::encode(tag, request, &mut inner);
    let mut body = Vec::new();
    prost::encoding::bytes::encode(2, &inner, &mut body);
    body
}

#[test]
fn protobuf_is_read_as_the_server_reads_it() {
    let execute = |sql: &str| pipeline(2, &ExecuteStreamReq { stmt: Stmt::new(sql, true) });
    let check = |body: &[u8]| statements(Endpoint::Pipeline(PROTOBUF), body);
    assert_eq!(check(&execute("SELECT 1")), Ok(1));
    assert!(is_forbidden(&check(&execute("SELECT READFILE('x')"))));
    let store = StoreSqlStreamReq { sql_id: 1, sql: "SELECT readfile(1)".to_owned() };
    assert!(is_forbidden(&check(&pipeline(6, &store))));
    let step = BatchStep { condition: None, stmt: Stmt::new("SELECT readfile(1)", true) };
    let batch = Batch { steps: vec![step], replication_index: None };
    let cursor = CursorReqBody { baton: None, batch }.encode_to_vec();
    assert!(is_forbidden(&statements(Endpoint::Cursor(PROTOBUF), &cursor)));
    assert!(matches!(check(b"\xff\xff"), Err(Refusal::Malformed(_))));
}

#[test]
fn statements_are_counted_and_words_of_the_protocol_are_not() {
    for (body, count) in [
        (
            json!({"baton": baton(7), "requests": [{"type": "execute", "stmt": {"sql": "SELECT 1"}}, {"type": "close"}]}),
            1,
        ),
        (json!({"requests": [{"type": "sequence", "sql": "SELECT 1; SELECT 2"}]}), 2),
        (json!({"requests": [{"type": "get_autocommit"}]}), 0),
        (json!({"statements": ["SELECT 1", {"q": "SELECT 2", "params": [1]}]}), 2),
        (
            json!({"batch": {"steps": [{"condition": {"type": "ok", "step": 0}, "stmt": {"sql": "SELECT 1"}}]}}),
            1,
        ),
    ] {
        assert_eq!(judged(body.to_string().as_bytes()), Ok(count), "{body}");
    }
}

/// A baton of stream `id`.
fn baton(id: u64) -> String {
    let mut bytes = [7; 48];
    bytes[..8].copy_from_slice(&id.to_be_bytes());
    STANDARD_NO_PAD.encode(bytes)
}

#[test]
fn a_json_request_names_its_stream() {
    for endpoint in [Endpoint::Pipeline(JSON), Endpoint::Cursor(JSON)] {
        let json = |body: &str| stream(endpoint, body.as_bytes()).map(|stream| stream.id);
        let nine = baton(9);
        let going = Ok(Some(StreamId(9)));
        assert_eq!(json(&format!(r#"{{"baton":"{nine}","requests":[]}}"#)), going);
        let escaped = format!(r#"{{"requests":[{{"baton":1}}],"\u0062aton":"{nine}"}}"#);
        assert_eq!(json(&escaped), going);
        for new in [r#"{"requests":[]}"#, r#"{"baton":null}"#, r#"{"x":{"baton":"y"}}"#] {
            assert_eq!(json(new), Ok(None), "{new}");
        }
        let twice = format!(r#"{{"baton":null,"baton":"{nine}"}}"#);
        let list = format!(r#"["{nine}"]"#);
        let typed = ["7", "[]", "{}", "true"].map(|value| format!(r#"{{"baton":{value}}}"#));
        let broken = ["", "[", "[]", "null", "{} {}", &twice, &list];
        for body in broken.into_iter().chain(typed.iter().map(String::as_str)) {
            assert!(matches!(json(body), Err(Refusal::Malformed(_))), "{body}");
        }
        for bad in ["", "AAAA", &format!("{nine}="), &nine[1..]] {
            let refused = Err(Refusal::Malformed("the baton is not valid"));
            assert_eq!(json(&format!(r#"{{"baton":"{bad}"}}"#)), refused);
        }
    }
}

#[test]
fn a_protobuf_request_names_its_stream() {
    let read = |body: &[u8]| stream(Endpoint::Pipeline(PROTOBUF), body).map(|stream| stream.id);
    let mut body = pipeline(2, &ExecuteStreamReq { stmt: Stmt::new("SELECT 1", true) });
    assert_eq!(read(&body), Ok(None));
    wire::push(&mut body, 1, baton(5).as_bytes());
    assert_eq!(read(&body), Ok(Some(StreamId(5))));
    wire::push(&mut body, 1, baton(6).as_bytes());
    for bad in [&body[..], &[0x08, 1], &[0x0b, 0x0c], b"\x0a\x01\xff"] {
        assert!(matches!(read(bad), Err(Refusal::Malformed(_))), "{bad:?}");
    }
}

#[test]
fn only_what_is_known_is_kept() {
    let kept = |body: &str| {
        let endpoint = Endpoint::Pipeline(JSON);
        let exact = stream(endpoint, body.as_bytes()).unwrap().body.is_some();
        let short = Message::parse(endpoint, body.as_bytes(), Right::Write, body.len() - 1);
        assert!(matches!(short.unwrap().content, Content::Stream(Stream { body: None, .. })));
        exact
    };
    let whole = r#"{"baton":null,"requests":[
        {"type":"execute","stmt":{"sql":"SELECT 1","args":[1],"want_rows":true,"sql_id":null}},
        {"type":"batch","batch":{"replication_index":7,"steps":[{"stmt":{"sql":"SELECT 1"},
            "condition":{"type":"and","conds":[{"type":"not","cond":{"type":"ok","step":0}}]}}]}},
        {"type":"close","stmt":null}]}"#;
    assert!(kept(whole));
    for (part, other) in [
        (r#""args":[1]"#, r#""args":[1],"new":1"#),
        (r#""args":[1]"#, r#""args":[1],"args":[2]"#),
        (r#""args":[1]"#, r#""params":[1]"#),
        (r#""sql_id":null"#, r#""sql_id":{}"#),
        (r#""steps":[{"#, r#""steps":[[],{"#),
        (r#""type":"close""#, r#""type":"close","type":"close""#),
        (r#"{"type":"ok","step":0}"#, "{}"),
        (r#""step":0"#, r#""step":0,"new":{}"#),
        (r#""conds":[{"#, r#""conds":[[],{"#),
    ] {
        let body = whole.replace(part, other);
        assert!(body != whole && !kept(&body), "{body}");
    }
}

/// A kept item takes hundreds of bytes, and `null` only five.
#[test]
fn few_items_are_kept_however_small_they_are() {
    let kept = |endpoint, open, item, count, close| {
        let body = format!("{open}{}{close}", vec![item; count].join(","));
        stream(endpoint, body.as_bytes()).unwrap().body.is_some()
    };
    let requests =
        |item, count| kept(Endpoint::Pipeline(JSON), r#"{"requests":["#, item, count, "]}");
    assert!(!requests("null", 1));
    let close = r#"{"type":"close"}"#;
    assert!(requests(close, 4096) && !requests(close, 4097));
    // Items count wherever they are.
    let step = r#"{"condition":{"type":"not","cond":{"type":"and","conds":[{"type":"ok"}]}}}"#;
    let steps = |count| kept(Endpoint::Cursor(JSON), r#"{"batch":{"steps":["#, step, count, "]}}");
    assert!(steps(1365) && !steps(1366));
}

/// Two bytes are a request or a step, which takes a hundred once it is decoded.
#[test]
fn many_small_messages_are_refused_before_they_are_decoded() {
    let too_many = |endpoint, body: &[u8]| {
        let refused = statements(endpoint, body).unwrap_err();
        refused.to_string().ends_with("it has too many requests and statements")
    };
    let empty = |number| wire::nested(number, b"").repeat(100_000);
    let requests = [empty(2), wire::nested(2, b"")].concat();
    assert!(too_many(Endpoint::Pipeline(PROTOBUF), &requests));
    let batch = wire::nested(1, &empty(1));
    assert!(too_many(Endpoint::Pipeline(PROTOBUF), &wire::nested(2, &wire::nested(3, &batch))));
    assert!(too_many(Endpoint::Cursor(PROTOBUF), &wire::nested(2, &empty(1))));
    let call = [wire::nested(1, b"c"), wire::nested(2, &empty(1))].concat();
    assert!(too_many(EXECUTE, &framed(&call)));
    // Nothing hides behind what only the decoder would skip: a group.
    let hidden = wire::nested(2, &[&[0x7b, 0x7c], &wire::nested(3, &batch)[..]].concat());
    let refused = statements(Endpoint::Pipeline(PROTOBUF), &hidden);
    assert!(matches!(refused, Err(Refusal::Malformed(_))));
    // A text is not a list, however long it is.
    let sql = format!("SELECT '{}'", "x".repeat(1 << 20));
    let body = pipeline(2, &ExecuteStreamReq { stmt: Stmt::new(sql.as_str(), true) });
    assert_eq!(statements(Endpoint::Pipeline(PROTOBUF), &body), Ok(1));
    assert_eq!(statements(EXECUTE, &framed(&program(&sql))), Ok(1));
}

/// A gRPC-web body with one message.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], length.as_slice(), message].concat()
}

fn program(sql: &str) -> Vec<u8> {
    let query = Query { stmt: sql.to_owned(), ..Query::default() };
    let steps = vec![Step { cond: None, query: Some(query) }];
    ProgramReq { client_id: "c".to_owned(), pgm: Some(Program { steps }) }.encode_to_vec()
}

#[test]
fn the_sql_of_a_call_is_judged() {
    let write = |sql: &str| statements(EXECUTE, &framed(&program(sql)));
    assert_eq!(write("INSERT INTO t VALUES (1)"), Ok(1));
    assert!(is_forbidden(&write("INSERT INTO t SELECT readfile('/etc/passwd')")));
    let describe = |sql: &str| {
        let request = DescribeRequest { client_id: "c".to_owned(), stmt: sql.to_owned() };
        let body = framed(&request.encode_to_vec());
        let call = Endpoint::Proxy(ProxyCall::Describe);
        Message::parse(call, &body, Right::Read, 0).map(|message| message.statements)
    };
    assert!(is_forbidden(&describe("SELECT FsDir(1)")));
    assert_eq!(describe("SELECT abs(1)"), Ok(1));
}

#[test]
fn a_call_that_is_not_one_uncompressed_message_is_refused() {
    let good = framed(&program("SELECT 1"));
    assert!(parse(EXECUTE, &good).is_ok());
    let mut compressed = good.clone();
    compressed[0] = 1;
    let mut twice = program("SELECT 1");
    wire::push(&mut twice, 1, b"y");
    let query = [0x12, 0];
    for body in [
        Vec::new(),
        vec![0; 4],
        good[..good.len() - 1].to_vec(),
        [good.clone(), good.clone()].concat(),
        compressed,
        vec![0x80, 0, 0, 0, 0],
        framed(b""),
        framed(&twice),
        framed(&query),
        framed(&[0x08, 1]),
        framed(&[0x0a, 1, 0xff]),
        framed(b"\xff"),
    ] {
        assert!(matches!(parse(EXECUTE, &body), Err(Refusal::Malformed(_))), "{body:?}");
    }
}

#[test]
fn a_call_keeps_everything_but_its_client_id() {
    let (one, other) = (program("SELECT 1"), wire::nested(9, b"unknown"));
    for parts in [[&one, &other], [&other, &one]] {
        let body = framed(&parts.map(Vec::as_slice).concat());
        let Content::Call(call) = parse(EXECUTE, &body).unwrap().content else { panic!("a call") };
        assert_eq!(call.client, b"c");
        let id = wire::nested(1, b"c");
        let rest = one.strip_prefix(id.as_slice()).unwrap();
        let expected = parts.map(|part| if *part == one { rest } else { part });
        assert_eq!(call.rest.concat(), expected.concat());
    }
}

/// Otherwise the body would be held until the answer of the server.
#[test]
fn only_kept_requests_borrow_the_body() {
    let detached = |endpoint, body: Vec<u8>, kept| {
        let content = Message::parse(endpoint, &body, Right::Write, kept).unwrap().content;
        let detached = content.detached();
        drop(body);
        detached
    };
    let pipeline = || br#"{"requests":[{"type":"close"}]}"#.to_vec();
    let json = Endpoint::Pipeline(JSON);
    assert!(matches!(
        detached(json, pipeline(), 0),
        Some(Content::Stream(Stream { encoding: JSON, cursor: false, id: None, body: None }))
    ));
    assert!(detached(json, pipeline(), usize::MAX).is_none());
    let call = detached(EXECUTE, framed(&program("SELECT 1")), usize::MAX);
    assert!(matches!(call, Some(Content::Stateless)));
}
