//! Web sockets before their hello, and such as do not read.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::sockets::Socket;
use super::{Front, now};
use demo_test_support::until;

/// In KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn h2_frames_before_the_hello_cost_no_memory() {
    let front = Front::new();
    drop(Socket::ready(&front.address, "alpha", &front.ro("alpha")));
    let before = resident(front.gate.id());
    let mut frame = vec![0x82, 0x80 | 127];
    frame.extend_from_slice(&9_900_000_u64.to_be_bytes());
    frame.extend_from_slice(&[1, 2, 3, 4]);
    frame.resize(frame.len() + 9_899_999, 7);
    let mut most = before;
    let sockets: Vec<TcpStream> = (0..200)
        .filter_map(|_| {
            let socket = Socket::open(&front.address, "alpha", &[]).ok()?.0;
            let mut stream = socket.get_ref().try_clone().unwrap();
            stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
            // As much as is taken.
            let _full = stream.write_all(&frame);
            most = most.max(resident(front.gate.id()));
            std::mem::forget(socket);
            Some(stream)
        })
        .collect();
    assert!(sockets.len() > 100);
    assert!(most - before < 20 * 1024, "{before} KiB before, {most} KiB at most");
}

#[test]
fn h2_silent_sockets_do_not_keep_an_honest_one_out() {
    let front = Front::new();
    let silent: Vec<_> =
        (0..1030).filter_map(|_| Socket::open(&front.address, "alpha", &[]).ok()).collect();
    assert!(silent.len() > 900, "{}", silent.len());
    let started = Instant::now();
    let mut honest = Socket::ready(&front.address, "alpha", &front.ro("alpha"));
    assert!(honest.execute("SELECT 1").said("response_ok"));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    drop(silent);
}

#[test]
fn m5_a_socket_that_does_not_read_ends_with_its_token() {
    let front = Front::new();
    let end = now() + 3;
    let token = front.token(&json!({"id": "alpha", "exp": end}));
    let mut socket = Socket::ready(&front.address, "alpha", &token);
    // 9 MB for each answer.
    let statement = json!({"sql": "SELECT hex(zeroblob(4500000))", "want_rows": true});
    for number in 10..20 {
        let request = json!({"type": "execute", "stream_id": 1, "stmt": statement});
        let request = json!({"type": "request", "request_id": number, "request": request});
        socket.0.send(Message::text(request.to_string())).unwrap();
    }
    let mut stream = socket.0.get_ref().try_clone().unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    // An empty pong: nobody answers it.
    until("the socket is closed", || {
        let wrote = stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0]);
        wrote.is_err_and(|error| error.kind() != ErrorKind::WouldBlock)
    });
    let late = now() - end;
    assert!((0..=6).contains(&late), "closed {late} s after the end of the token");
}
