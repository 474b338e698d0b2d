use libsql_hrana::proto::{
    Batch, BatchStep, CursorReqBody, ExecuteStreamReq, Stmt, StoreSqlStreamReq,
};
use prost::Message;
use serde_json::json;

use super::*;

fn check(body: &[u8]) -> Result<Judged, Refusal> {
    json::check(body, Right::Write)
}

fn judged(body: &serde_json::Value) -> Result<Judged, Refusal> {
    check(body.to_string().as_bytes())
}

fn is_forbidden(seen: &Result<Judged, Refusal>) -> bool {
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
        assert!(is_forbidden(&judged(&body)), "{body}");
    }
}

#[test]
fn escaped_letters_and_duplicate_keys_hide_nothing() {
    let escaped = br#"{"stmt": {"sql": "SELECT \u0072eadfile('x')"}}"#;
    assert!(is_forbidden(&check(escaped)));
    let twice = br#"{"stmt": {"sql": "SELECT readfile('x')", "sql": "SELECT 1"}}"#;
    assert!(is_forbidden(&check(twice)));
    let key = br#"{"\u0061rgs": "x", "s\u0071l": "SELECT readfile('x')"}"#;
    assert!(is_forbidden(&check(key)));
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
        assert!(judged(&body).is_ok(), "{body}");
    }
}

#[test]
fn a_body_that_is_not_json_is_refused() {
    for body in [&b"{\"sql\": \"SELECT"[..], b"\"a\" \"x\"", b"", b"\xff", b"{\"a\":\"\xff\"}"] {
        assert!(matches!(check(body), Err(Refusal::Malformed(_))), "{body:?}");
    }
}

/// A pipeline with one request, whose kind `tag` says. The crate can only read pipelines, so
/// this writes the outer message.
fn pipeline(tag: u32, request: &impl Message) -> Vec<u8> {
    let mut inner = Vec::new();
    prost::encoding::message::encode(tag, request, &mut inner);
    let mut body = Vec::new();
    prost::encoding::bytes::encode(2, &inner, &mut body);
    body
}

#[test]
fn protobuf_is_read_as_the_server_reads_it() {
    let execute = |sql: &str| pipeline(2, &ExecuteStreamReq { stmt: Stmt::new(sql, true) });
    let check = |body: &[u8]| protobuf::pipeline(body, Right::Write);
    assert_eq!(check(&execute("SELECT 1")), Ok(Judged { statements: 1 }));
    assert!(is_forbidden(&check(&execute("SELECT READFILE('x')"))));
    let store = StoreSqlStreamReq { sql_id: 1, sql: "SELECT readfile(1)".to_owned() };
    assert!(is_forbidden(&check(&pipeline(6, &store))));
    let step = BatchStep { condition: None, stmt: Stmt::new("SELECT readfile(1)", true) };
    let batch = Batch { steps: vec![step], replication_index: None };
    let cursor = CursorReqBody { baton: None, batch }.encode_to_vec();
    assert!(is_forbidden(&protobuf::cursor(&cursor, Right::Write)));
    assert!(matches!(check(b"\xff\xff"), Err(Refusal::Malformed(_))));
}

#[test]
fn statements_are_counted_and_words_of_the_protocol_are_not() {
    for (body, statements) in [
        (
            json!({"baton": "abc", "requests": [{"type": "execute", "stmt": {"sql": "SELECT 1"}}, {"type": "close"}]}),
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
        assert_eq!(judged(&body), Ok(Judged { statements }), "{body}");
    }
}
