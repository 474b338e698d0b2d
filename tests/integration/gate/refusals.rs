//! Refused SQL over a WebSocket: it costs the one request, whatever has been sent with it.

use libsql_hrana::proto::{Stmt, Value as HranaValue};
use prost::encoding::{int32, message, string};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::Front;
use super::sockets::{Came, Socket};

const READS_A_FILE: &str = "SELECT readfile('/etc/hostname')";

fn send(socket: &mut Socket, id: i32, request: &Value) {
    let whole = json!({"type": "request", "request_id": id, "request": request});
    socket.0.send(Message::text(whole.to_string())).unwrap();
}

fn run(sql: &str) -> Value {
    json!({"type": "execute", "stream_id": 1, "stmt": {"sql": sql, "want_rows": true}})
}

fn heard(socket: &mut Socket, count: usize) -> Vec<Value> {
    let came = (0..count).map(|_| match socket.hear() {
        Came::Said(said) => said,
        other => panic!("{other:?}"),
    });
    came.collect()
}

fn of(said: &[Value], id: i32) -> &Value {
    said.iter().find(|said| said["request_id"] == id).unwrap_or_else(|| panic!("{id}: {said:?}"))
}

#[test]
fn compat1_a_refusal_never_overtakes_the_welcome() {
    let front = Front::new();
    for _ in 0..10 {
        let mut socket = Socket::open(&front.address, "alpha", &[]).unwrap();
        let hello = json!({"type": "hello", "jwt": front.rw("alpha")});
        socket.0.send(Message::text(hello.to_string())).unwrap();
        send(&mut socket, 1, &json!({"type": "open_stream", "stream_id": 1}));
        send(&mut socket, 2, &run(READS_A_FILE));
        send(&mut socket, 3, &run("SELECT 'still here'"));
        let said = heard(&mut socket, 4);
        assert_eq!(said[0]["type"], "hello_ok", "{said:?}");
        assert_eq!(of(&said, 2)["error"]["code"], "sql-forbidden");
        assert!(of(&said, 3).to_string().contains("still here"));
    }
}

#[test]
fn compat1_refused_ids_are_answered_for_and_the_transaction_lives() {
    let front = Front::new();
    let mut socket = Socket::ready(&front.address, "alpha", &front.rw("alpha"));
    let stored = json!({"type": "execute", "stream_id": 1, "stmt": {"sql_id": 1}});
    let batch = json!({"type": "batch", "stream_id": 1, "batch": {"steps": [
        {"stmt": {"sql": "SELECT 1"}}, {"stmt": {"sql_id": 1}}]}});
    for (id, request) in [
        (10, run("BEGIN IMMEDIATE")),
        (11, run("INSERT INTO t VALUES ('in the transaction')")),
        (12, json!({"type": "store_sql", "sql_id": 1, "sql": READS_A_FILE})),
        (13, stored.clone()),
        (14, batch),
        (15, json!({"type": "sequence", "stream_id": 1, "sql_id": 1})),
        (16, json!({"type": "describe", "stream_id": 1, "sql_id": 1})),
        (17, run("SELECT x FROM t")),
        (18, json!({"type": "close_sql", "sql_id": 1})),
        (19, json!({"type": "store_sql", "sql_id": 1, "sql": "SELECT 'another'"})),
        (20, stored),
        (21, run("COMMIT")),
    ] {
        send(&mut socket, id, &request);
    }
    let said = heard(&mut socket, 12);
    for id in 12..=16 {
        assert_eq!(of(&said, id)["error"]["code"], "sql-forbidden", "{said:?}");
    }
    for id in [10, 11, 17, 18, 19, 20, 21] {
        assert_eq!(of(&said, id)["type"], "response_ok", "{said:?}");
    }
    assert!(of(&said, 17).to_string().contains("in the transaction"));
    assert!(of(&said, 20).to_string().contains("another"));
    assert!(front.rows("alpha").contains("in the transaction"));
}

/// One request in protobuf.
fn binary(id: i32, tag: u32, request: &[u8]) -> Message {
    let (mut inner, mut whole) = (Vec::new(), Vec::new());
    int32::encode(1, &id, &mut inner);
    prost::encoding::bytes::encode(tag, &request.to_vec(), &mut inner);
    prost::encoding::bytes::encode(2, &inner, &mut whole);
    Message::binary(whole)
}

fn statement(statement: &Stmt) -> Vec<u8> {
    let mut request = Vec::new();
    int32::encode(1, &1, &mut request);
    message::encode(2, statement, &mut request);
    request
}

#[test]
fn compat1_protobuf_is_judged_without_its_arguments_and_refused_in_protobuf() {
    let front = Front::new();
    let mut socket = Socket::open_with(&front.address, "alpha", "hrana3-protobuf", &[]).unwrap();
    let (mut jwt, mut hello) = (Vec::new(), Vec::new());
    string::encode(1, &front.rw("alpha"), &mut jwt);
    prost::encoding::bytes::encode(1, &jwt, &mut hello);
    let mut open = Vec::new();
    int32::encode(1, &1, &mut open);
    let mut argument = Stmt::new("SELECT 'got ' || ?", true);
    argument.bind(HranaValue::Text { value: READS_A_FILE.into() });
    let mut store = Vec::new();
    int32::encode(1, &5, &mut store);
    string::encode(2, &READS_A_FILE.to_owned(), &mut store);
    let mut stored = Stmt::new("", true);
    (stored.sql, stored.sql_id) = (None, Some(5));
    for sent in [
        Message::binary(hello),
        binary(1, 2, &open),
        binary(2, 4, &statement(&argument)),
        binary(3, 4, &statement(&Stmt::new(READS_A_FILE, true))),
        binary(4, 11, &store),
        binary(5, 4, &statement(&stored)),
        binary(6, 4, &statement(&Stmt::new("SELECT 'still here'", true))),
    ] {
        socket.0.send(sent).unwrap();
    }
    let mut answers = Vec::new();
    while answers.len() < 7 {
        match socket.0.read().unwrap() {
            Message::Binary(bytes) => answers.push(bytes),
            Message::Close(frame) => panic!("{frame:?}, after {answers:?}"),
            _ => {}
        }
    }
    // Field 1 is the welcome, 3 a response, 4 an error.
    let kinds: Vec<u8> = answers.iter().map(|answer| answer[0] >> 3).collect();
    assert_eq!(kinds[0], 1);
    assert_eq!(kinds.iter().filter(|kind| **kind == 4).count(), 3, "{kinds:?}");
    let all = answers.iter().map(|answer| String::from_utf8_lossy(answer).into_owned());
    let all = all.collect::<Vec<_>>().join("\n");
    assert!(all.contains(&format!("got {READS_A_FILE}")) && all.contains("still here"), "{all}");
    assert_eq!(all.matches("sql-forbidden").count(), 3, "{all}");
}
