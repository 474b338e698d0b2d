use libsql_hrana::proto::{
    Batch, BatchStep, CursorReqBody, ExecuteStreamReq, PipelineRespBody, Stmt, StoreSqlStreamReq,
};
use proptest::prelude::*;
use prost::Message;
use serde_json::json;

use super::batons::{Batons, Form, Watch};
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
    assert!(matches!(json::baton(b"{\"baton\": 1}"), Err(Refusal::Malformed(_))));
    assert!(matches!(
        json::baton(b"{\"baton\":\"a\",\"baton\":\"b\"}"),
        Err(Refusal::Malformed(_))
    ));
    assert_eq!(json::baton(b"{\"requests\":[]}"), Ok(None));
    assert_eq!(json::baton(b"{\"baton\":\"a\",\"requests\":[]}"), Ok(Some("a".to_owned())));
}

/// The crate can only read requests, so their frame is written here: a baton, and
/// one request of the kind that `tag` stands for.
fn pipeline(tag: u32, request: &impl Message) -> Vec<u8> {
    let mut inner = Vec::new();
    prost::encoding::message::encode(tag, request, &mut inner);
    let mut body = Vec::new();
    prost::encoding::string::encode(1, &"b".to_owned(), &mut body);
    prost::encoding::bytes::encode(2, &inner, &mut body);
    body
}

#[test]
fn protobuf_is_read_as_the_server_reads_it() {
    let execute = |sql: &str| pipeline(2, &ExecuteStreamReq { stmt: Stmt::new(sql, true) });
    assert_eq!(protobuf::pipeline(&execute("SELECT 1")), Ok(Some("b".to_owned())));
    let found = Err(Refusal::Word("readfile"));
    assert_eq!(protobuf::pipeline(&execute("SELECT READFILE('x')")), found);
    let store = StoreSqlStreamReq { sql_id: 1, sql: "SELECT readfile(1)".to_owned() };
    assert_eq!(protobuf::pipeline(&pipeline(6, &store)), found);
    let step = BatchStep { condition: None, stmt: Stmt::new("SELECT readfile(1)", true) };
    let batch = Batch { steps: vec![step], replication_index: None };
    assert_eq!(protobuf::cursor(&CursorReqBody { baton: None, batch }.encode_to_vec()), found);
    assert!(matches!(protobuf::pipeline(b"\xff\xff"), Err(Refusal::Malformed(_))));
}

#[test]
fn a_baton_belongs_to_whom_it_was_given() {
    let batons = Batons::default();
    batons.gave("x".to_owned(), "alpha alice rw");
    assert!(batons.belongs("x", "alpha alice rw"));
    assert!(!batons.belongs("x", "beta bob rw"));
    assert!(!batons.belongs("never given", "alpha alice rw"));
}

fn watch(form: Form, answer: &[u8], size: usize) -> Option<String> {
    let mut watch = Watch::new(form);
    let mut seen = answer.chunks(size).filter_map(|piece| watch.pass(piece)).collect::<Vec<_>>();
    assert!(seen.len() < 2);
    seen.pop()
}

proptest! {
    #[test]
    fn a_baton_is_found_however_the_answer_is_cut(
        baton in "[A-Za-z0-9+/=]{1,120}",
        size in 1_usize..40,
    ) {
        let json = json!({"baton": baton, "base_url": null, "results": ["x".repeat(3000)]});
        prop_assert_eq!(watch(Form::Json, json.to_string().as_bytes(), size), Some(baton.clone()));
        let body = PipelineRespBody { baton: Some(baton.clone()), base_url: None, results: vec![] };
        prop_assert_eq!(watch(Form::Protobuf, &body.encode_to_vec(), size), Some(baton.clone()));
        let cursor = body.encode_length_delimited_to_vec();
        prop_assert_eq!(watch(Form::LengthThenProtobuf, &cursor, size), Some(baton));
    }

    #[test]
    fn an_answer_without_a_baton_has_none(size in 1_usize..40) {
        let json = json!({"baton": null, "base_url": null, "results": ["{\"baton\":\"x\"}"]});
        prop_assert_eq!(watch(Form::Json, json.to_string().as_bytes(), size), None);
        let body = PipelineRespBody { baton: None, base_url: Some("x".into()), results: vec![] };
        prop_assert_eq!(watch(Form::Protobuf, &body.encode_to_vec(), size), None);
    }

    #[test]
    fn the_quick_look_never_misses_a_word(before in ".{0,20}", after in ".{0,20}", word in 0_usize..12) {
        let words = ["readfile", "WRITEFILE", "FsDir", "lsmode", "load_extension", "fts3_tokenizer",
            "carray", "sha3_query", "sqlite_dbpage", "Writable_Schema", "sqlite3mc_config", "sqlite3mc_config_table"];
        let sql = format!("{before} {} {after}", words[word]);
        prop_assert!(words::possible(sql.as_bytes()));
        prop_assert!(words::find(&sql).is_some());
        let body = json!({"sql": sql}).to_string();
        prop_assert!(json::check(body.as_bytes()).is_err());
    }
}
