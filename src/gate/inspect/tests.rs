use libsql_hrana::proto::{
    Batch, BatchStep, CursorReqBody, ExecuteStreamReq, Stmt, StoreSqlStreamReq,
};
use proptest::prelude::*;
use prost::Message;
use serde_json::json;

use super::*;

fn refused(body: &serde_json::Value) -> Result<(), Refusal> {
    json::check(body.to_string().as_bytes())
}

#[test]
fn a_word_is_found_wherever_sql_can_stand() {
    for body in [
        json!({"requests": [{"type": "execute", "stmt": {"sql": "SELECT readfile('x')"}}]}),
        json!({"requests": [{"type": "batch", "batch": {"steps": [{"stmt": {"sql": "SELECT ReadFile ('x')"}}]}}]}),
        json!({"requests": [{"type": "sequence", "sql": "CREATE VIEW v AS SELECT \"readfile\"('x')"}]}),
        json!({"requests": [{"type": "store_sql", "sql_id": 1, "sql": "SELECT [readfile](1)"}]}),
        json!({"stmt": {"sql": "SELECT 1; SELECT/**/readfile/**/('x')"}}),
        json!({"statements": ["SELECT readfile('x')"]}),
        json!({"statements": [{"q": "SELECT `readfile`('x')", "params": []}]}),
    ] {
        assert_eq!(refused(&body), Err(Refusal::Word("readfile")), "{body}");
    }
    let fts = json!({"sql": "CREATE VIRTUAL TABLE f USING fts5(x, content='fsdir')"});
    assert_eq!(refused(&fts), Err(Refusal::Word("fsdir")));
    let hidden = json!({"sql": "SELECT sha3_query('SELECT 1')"});
    assert_eq!(refused(&hidden), Err(Refusal::Word("sha3_query")));
    let table = json!({"sql": "SELECT sqlite3mc_config_table(1)"});
    assert_eq!(refused(&table), Err(Refusal::Word("sqlite3mc_config_table")));
}

#[test]
fn an_escaped_letter_hides_nothing_and_neither_does_a_key_that_is_there_twice() {
    let escaped = br#"{"stmt": {"sql": "SELECT \u0072eadfile('x')"}}"#;
    assert_eq!(json::check(escaped), Err(Refusal::Word("readfile")));
    let twice = br#"{"stmt": {"sql": "SELECT readfile('x')", "sql": "SELECT 1"}}"#;
    assert_eq!(json::check(twice), Err(Refusal::Word("readfile")));
    let key = br#"{"\u0061rgs": "x", "s\u0071l": "SELECT readfile('x')"}"#;
    assert_eq!(json::check(key), Err(Refusal::Word("readfile")));
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
        assert_eq!(refused(&body), Ok(()), "{body}");
    }
}

#[test]
fn what_is_not_json_is_refused_only_where_it_has_to_be_read() {
    assert!(matches!(json::check(b"{\"sql\": \"readfile"), Err(Refusal::Malformed(_))));
    assert!(matches!(json::check(b"\"readfile\" \"x\""), Err(Refusal::Malformed(_))));
    assert_eq!(request_id(br#"{"type":"request","request_id":7,"request":{}}"#), Some(7));
    assert_eq!(request_id(b"{}"), None);
}

/// The crate can only read requests, so their frame is written here: one request of the kind that `tag` stands for.
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
    assert_eq!(protobuf::pipeline(&execute("SELECT 1")), Ok(()));
    let found = Err(Refusal::Word("readfile"));
    assert_eq!(protobuf::pipeline(&execute("SELECT READFILE('x')")), found);
    let store = StoreSqlStreamReq { sql_id: 1, sql: "SELECT readfile(1)".to_owned() };
    assert_eq!(protobuf::pipeline(&pipeline(6, &store)), found);
    let step = BatchStep { condition: None, stmt: Stmt::new("SELECT readfile(1)", true) };
    let batch = Batch { steps: vec![step], replication_index: None };
    assert_eq!(protobuf::cursor(&CursorReqBody { baton: None, batch }.encode_to_vec()), found);
    assert!(matches!(protobuf::pipeline(b"\xff\xff"), Err(Refusal::Malformed(_))));
}

proptest! {
    #[test]
    fn the_quick_look_never_misses_a_word(before in ".{0,20}", after in ".{0,20}", word in 0_usize..12) {
        let words = ["readfile", "WRITEFILE", "FsDir", "lsmode", "load_extension", "fts3_tokenizer",
            "carray", "sha3_query", "sqlite_dbpage", "Writable_Schema", "sqlite3mc_config", "sqlite3mc_config_table"];
        let sql = format!("{before} {} {after}", words[word]);
        prop_assert!(words::possible(sql.as_bytes()));
        prop_assert!(words::find(sql.as_bytes()).is_some());
        let body = json!({"sql": sql}).to_string();
        prop_assert!(json::check(body.as_bytes()).is_err());
    }
}
