//! Bodies that are too long, and such as never come.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Answer, Front, execute};
use demo_test_support::processes::servers_in;

/// A small statement of alpha in a body of `size` bytes.
fn send(front: &Front, size: usize) -> Answer {
    let mut body = json!({"requests": [execute("SELECT 1"), {"type": "close"}]}).to_string();
    body.push_str(&" ".repeat(size - body.len()));
    let bearer = format!("Bearer {}", front.ro("alpha"));
    let head = [("authorization", bearer.as_str()), ("x-namespace", "alpha")];
    front.post(&front.address, "/v2/pipeline", &head, body)
}

#[test]
fn m4_bodies_that_do_not_come_delay_nobody_else() {
    let front = Front::new();
    let bob = front.ro("beta");
    let slow: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = TcpStream::connect(&front.address).unwrap();
            let head = format!(
                "POST /v2/pipeline HTTP/1.1\r\nHost: beta.localhost\r\n\
                 Authorization: Bearer {bob}\r\nContent-Length: 10000000\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&vec![b' '; 70_000]).unwrap();
            stream
        })
        .collect();
    let started = Instant::now();
    for _ in 0..5 {
        let answer = send(&front, 2_000_000);
        assert!(answer.worked(), "{}", answer.status);
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    drop(slow);
}

/// It was a broken pipe in most tries.
#[test]
fn compat3_a_body_over_the_limit_is_413_each_time() {
    let front = Front::new();
    for _ in 0..10 {
        let answer = send(&front, 20_000_000);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("body-too-large")));
        assert_eq!(answer.headers["connection"], "close");
    }
    // As much as the server itself takes.
    let answer = send(&front, 16_000_000);
    assert!(answer.worked(), "{answer:?}");
    assert!(!servers_in(front.project.path()).is_empty());
}
