use libsql_hrana::proto::{BatchStep, Stmt, Value};

use super::*;

fn json(request: &serde_json::Value) -> Option<Kind> {
    let whole = json!({"type": "request", "request_id": 7, "request": request}).to_string();
    let read = request_of(Encoding::Json, whole.as_bytes())?;
    assert_eq!(read.id, 7);
    Some(read.kind)
}

fn request_of(encoding: Encoding, message: &[u8]) -> Option<Request> {
    match read(encoding, message)? {
        Said::Request(request) => Some(request),
        Said::Hello(_) => None,
    }
}

fn text(sql: &str) -> Sql {
    Sql { text: Some(sql.to_owned()), id: None }
}

#[test]
fn every_request_is_understood_and_no_other() {
    let stored = Sql { text: None, id: Some(3) };
    for (request, kind) in [
        (json!({"type": "open_stream", "stream_id": 1}), Kind::OpenStream(1)),
        (json!({"type": "close_stream", "stream_id": 1}), Kind::CloseStream(1)),
        (
            json!({"type": "execute", "stream_id": 1, "stmt": {"sql": "a", "args": [{"type": "text", "value": "b"}]}}),
            Kind::Run { stream: 1, sql: vec![text("a")] },
        ),
        (
            json!({"type": "batch", "stream_id": 1, "batch": {"steps": [{"stmt": {"sql_id": 3}, "condition": {"type": "ok", "step": 0}}, {"stmt": {"sql": "a"}}]}}),
            Kind::Run { stream: 1, sql: vec![stored.clone(), text("a")] },
        ),
        (
            json!({"type": "sequence", "stream_id": 1, "sql": "a"}),
            Kind::Run { stream: 1, sql: vec![text("a")] },
        ),
        (
            json!({"type": "describe", "stream_id": 1, "sql_id": 3}),
            Kind::Run { stream: 1, sql: vec![stored] },
        ),
        (json!({"type": "get_autocommit", "stream_id": 1}), Kind::Run { stream: 1, sql: vec![] }),
        (
            json!({"type": "open_cursor", "stream_id": 1, "cursor_id": 2, "batch": {"steps": []}}),
            Kind::OpenCursor { stream: 1, cursor: 2, sql: vec![] },
        ),
        (json!({"type": "close_cursor", "cursor_id": 2}), Kind::CloseCursor(2)),
        (json!({"type": "fetch_cursor", "cursor_id": 2, "max_count": 5}), Kind::FetchCursor(2)),
        (
            json!({"type": "store_sql", "sql_id": 3, "sql": "a"}),
            Kind::StoreSql { id: 3, sql: "a".to_owned() },
        ),
        (json!({"type": "close_sql", "sql_id": 3}), Kind::CloseSql(3)),
    ] {
        assert_eq!(json(&request), Some(kind), "{request}");
    }
    for request in [
        json!({"type": "other"}),
        json!({"type": "execute", "stream_id": 1}),
        json!({"type": "store_sql", "sql_id": 3}),
        json!({"type": "open_stream"}),
        json!(null),
    ] {
        assert_eq!(json(&request), None, "{request}");
    }
    let twice =
        br#"{"type":"request","request_id":1,"request":{"type":"store_sql","sql_id":1,"sql":"a","sql":"b"}}"#;
    assert_eq!(request_of(Encoding::Json, twice), None);
}

fn wire(tag: u8, request: &[u8]) -> Vec<u8> {
    let mut inner = Number { number: -7 }.encode_to_vec();
    protobuf::push(&mut inner, tag, request);
    nested(2, &inner)
}

#[test]
fn protobuf_is_read_with_types_and_arguments_are_not_sql() {
    let mut statement = Stmt::new("SELECT ?", true);
    statement.bind(Value::Text { value: "SELECT readfile('x')".into() });
    let mut execute = Vec::new();
    prost::encoding::int32::encode(1, &5, &mut execute);
    prost::encoding::message::encode(2, &statement, &mut execute);
    let read = request_of(Encoding::Protobuf, &wire(4, &execute)).unwrap();
    let kind = Kind::Run { stream: 5, sql: vec![text("SELECT ?")] };
    assert_eq!(read, Request { id: -7, kind });
    let steps = vec![BatchStep { condition: None, stmt: statement }];
    let batch = libsql_hrana::proto::Batch { steps, replication_index: None };
    let mut run = Vec::new();
    prost::encoding::int32::encode(1, &5, &mut run);
    prost::encoding::message::encode(2, &batch, &mut run);
    let read = request_of(Encoding::Protobuf, &wire(5, &run)).unwrap();
    assert_eq!(read.kind, Kind::Run { stream: 5, sql: vec![text("SELECT ?")] });
    for broken in [&b""[..], b"\x12\x00", &wire(14, b""), &wire(4, b"\xff")] {
        assert_eq!(request_of(Encoding::Protobuf, broken), None, "{broken:?}");
    }
    let mut two = wire(2, b"");
    two[1] += 2;
    two.extend([0x1a, 0]);
    assert_eq!(request_of(Encoding::Protobuf, &two), None);
}

#[test]
fn the_number_of_a_request_is_read_whatever_the_length_of_its_key() {
    let request = |key: &[u8]| nested(2, &[key, &[5], &nested(13, b"")].concat());
    for key in [&[0x08][..], &[0x88, 0x00], &[0x88, 0x80, 0x00]] {
        let read = request_of(Encoding::Protobuf, &request(key)).unwrap();
        assert_eq!(read.id, 5, "{key:?}");
        let answer = nested(3, &[key, &[5]].concat());
        assert_eq!(about(Encoding::Protobuf, &answer), Some(About::Request(5)), "{key:?}");
    }
    assert_eq!(request_of(Encoding::Protobuf, &request(&[0x0d, 0, 0, 0])), None);
}

#[test]
fn answers_of_the_gate_name_their_request() {
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        for id in [0, 1, -1, i32::MAX, i32::MIN] {
            for message in [
                error(encoding, id, "sql-forbidden", "no"),
                closed(encoding, id, Closed::Sql),
                closed(encoding, id, Closed::Stream),
            ] {
                assert_eq!(about(encoding, &message.into_data()), Some(About::Request(id)));
            }
            let own = close_stream(encoding, id, 9).into_data();
            let kind = Kind::CloseStream(9);
            assert_eq!(request_of(encoding, &own), Some(Request { id, kind }));
        }
    }
    let hello = about(Encoding::Json, br#"{"type":"hello_ok"}"#);
    assert_eq!(hello, Some(About::Hello));
    assert_eq!(about(Encoding::Protobuf, b"\x0a\x00"), Some(About::Hello));
}

#[test]
fn hellos_and_requests_are_told_apart() {
    let json = |text: &str| read(Encoding::Json, text.as_bytes());
    let hello = |jwt: &str| Some(Said::Hello(Some(jwt.to_owned())));
    assert_eq!(json(r#"{"type":"hello","jwt":"x"}"#), hello("x"));
    assert_eq!(json(r#"{"jwt":"x","\u0074ype":"h\u0065llo"}"#), hello("x"));
    assert_eq!(json(r#"{"type":"hello","jwt":null}"#), Some(Said::Hello(None)));
    assert_eq!(json(r#"{"type":"hello"}"#), Some(Said::Hello(None)));
    for bad in [
        "",
        "{}",
        "[]",
        r#"{"type":"hello","jwt":7}"#,
        r#"{"type":"other"}"#,
        r#"{"type":"Hello"}"#,
        r#"{"type":"request","type":"hello"}"#,
        r#"{"type":"request","request_id":1,"request":{"type":"hello"}}"#,
        r#"{"type":"hello","jwt":"a","jwt":"b"}"#,
        r#"{"type":"hello"} x"#,
        r#"{"jwt":"x"}"#,
    ] {
        assert_eq!(json(bad), None, "{bad}");
    }
}

#[test]
fn hellos_and_requests_in_protobuf_are_told_apart() {
    let read = |message: &[u8]| read(Encoding::Protobuf, message);
    assert_eq!(read(&nested(1, &nested(1, b"x"))), Some(Said::Hello(Some("x".into()))));
    assert_eq!(read(&nested(1, b"")), Some(Said::Hello(None)));
    let both = [wire(13, b""), nested(1, &nested(1, b"x"))].concat();
    let twice = nested(1, &[nested(1, b"x"), nested(1, b"y")].concat());
    for bad in [&b""[..], &nested(3, b""), &both, &twice, &[0x08, 1], &nested(1, &[0x08, 1])] {
        assert_eq!(read(bad), None, "{bad:?}");
    }
}
