//! Answers that are long: compressed, and not longer than their token.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::{Front, bin, now};
use demo_test_support::until;

#[test]
fn compat4_a_long_answer_is_about_as_small_as_from_the_server() {
    let front = Front::new();
    let token = front.ro("alpha");
    let name = bin("alpha");
    let sql = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 20000) \
               SELECT i, 'row number ' || i FROM c";
    let ask = |to: &str, encoding: &str| {
        let head = [("x-namespace-bin", name.as_str()), ("accept-encoding", encoding)];
        front.pipeline(to, &head, &token, &[sql])
    };
    let (direct, gated) = (ask(&front.server, "gzip"), ask(&front.address, "gzip"));
    assert_eq!(gated.headers["content-encoding"], "gzip");
    let (small, ours) = (direct.body.len(), gated.body.len());
    assert!(ours < 2 * small, "{small} bytes from the server, {ours} through the gate");
    let plain = ask(&front.address, "identity");
    assert!(!plain.headers.contains_key("content-encoding"));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(gated.body.as_slice()).read_to_end(&mut unpacked).unwrap();
    let rows = |body: &[u8]| {
        let answer: serde_json::Value = serde_json::from_slice(body).unwrap();
        answer["results"][0]["response"]["result"]["rows"].clone()
    };
    assert_eq!(rows(&unpacked), rows(&plain.body));
    // Where the gate looks at nothing the server compresses.
    let bearer = format!("Bearer {token}");
    let head =
        [("x-namespace", "alpha"), ("accept-encoding", "gzip"), ("authorization", bearer.as_str())];
    let body = json!({"statements": [sql]}).to_string();
    let stateless = front.post(&front.address, "/", &head, body);
    assert_eq!(stateless.headers["content-encoding"], "gzip");
    // And a stream is found in what is compressed afterwards.
    let body = json!({"batch": {"steps": [{"stmt": {"sql": sql}}]}}).to_string();
    let cursor = front.post(&front.address, "/v3/cursor", &head, body);
    assert_eq!(cursor.headers["content-encoding"], "gzip");
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(cursor.body.as_slice()).read_to_string(&mut unpacked).unwrap();
    let line: serde_json::Value = serde_json::from_str(unpacked.lines().next().unwrap()).unwrap();
    let body = json!({"baton": line["baton"], "requests": [{"type": "close"}]}).to_string();
    let closed = front.post(&front.address, "/v3/pipeline", &head, body);
    assert!(closed.worked(), "{closed:?}");
}

#[test]
fn m6_an_answer_ends_with_its_token_read_or_not() {
    let front = Front::new();
    let end = now() + 3;
    let token = front.token(&json!({"id": "alpha", "exp": end}));
    let sql = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 50000) \
               SELECT i, hex(zeroblob(2000)) FROM c";
    let body = json!({"batch": {"steps": [{"stmt": {"sql": sql}}]}}).to_string();
    let mut stream = TcpStream::connect(&front.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "POST /v3/cursor HTTP/1.1\r\nHost: alpha.localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    until("the token has ended", || now() > end + 2);
    let mut rest = Vec::new();
    // It breaks off: a clean end would look like the whole answer.
    let _broken = stream.read_to_end(&mut rest);
    assert!(rest.starts_with(b"HTTP/1.1 200"));
    // 200 MB in all; what was under way then fills the buffers of two sockets.
    assert!(rest.len() < 30_000_000, "{} bytes", rest.len());
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "it ended as if it were whole");
}

#[test]
fn h1_an_answer_that_nobody_reads_gives_its_place_back() {
    let front = Front::with("limits: {unreadAnswer: 2s, requestsPerNamespace: 1}\n");
    let token = front.ro("alpha");
    let sql = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 50000) \
               SELECT i, hex(zeroblob(2000)) FROM c";
    let body = json!({"batch": {"steps": [{"stmt": {"sql": sql}}]}}).to_string();
    let head = format!(
        "POST /v3/cursor HTTP/1.1\r\nHost: alpha.localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // Quick requests of `ask` may let in up to four at once.
    let streams: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(&front.address).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let ask = || {
        let head = [("x-namespace", "alpha")];
        front.pipeline(&front.address, &head, &token, &["SELECT 1"]).status
    };
    until("all places are taken", || ask() == 429);
    until("a place is free again", || ask() == 200);
    drop(streams);
}
