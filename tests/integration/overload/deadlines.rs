//! When a connection ends that asks for nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::silent::{FORMS, HANDSHAKES, silent};
use super::{ALL, Kind, certificate, keys_only};
use demo_test_support::until;

/// An HTTP/2 connection that has had the answer to one request for `/`.
const ONE_REQUEST: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
    \0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01a";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0pingpong";

/// Reads what has come. Whether the other side has closed.
fn closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

fn all_end(address: &str, forms: &[(&str, &[u8])]) {
    let mut open: Vec<(&str, TcpStream)> = Vec::new();
    for (what, bytes) in forms {
        open.extend(silent(address, 5, bytes).into_iter().map(|stream| (*what, stream)));
    }
    until("each silent connection has been closed", || {
        open.retain_mut(|(_, stream)| !closed(stream));
        open.is_empty()
    });
}

#[test]
fn h3_a_connection_that_sends_no_whole_request_ends_soon() {
    let project = keys_only();
    let tls = certificate(&project, "ends");
    for kind in ALL {
        let services = (kind.start(&project, ""), kind.start(&project, &tls));
        let (plain, secured) = (services.0.address.as_str(), services.1.address.as_str());
        // Side by side: each waits for the same deadline. Half a body has one of its own.
        std::thread::scope(|scope| {
            scope.spawn(|| all_end(plain, &FORMS[..4]));
            scope.spawn(|| all_end(secured, &HANDSHAKES));
        });
    }
}

#[test]
fn h3_an_idle_connection_ends_even_if_it_sends_pings() {
    let project = keys_only();
    for kind in [Kind::Gate, Kind::Mint] {
        let service = kind.start(&project, "limits: {idle: 1s}\n");
        let mut http2 = silent(&service.address, 1, ONE_REQUEST).remove(0);
        let mut http1 = silent(&service.address, 1, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").remove(0);
        let since = Instant::now();
        until("the idle connections have been closed", || {
            // One that is closed takes no more.
            let _ = http2.write_all(PING);
            closed(&mut http2) && closed(&mut http1)
        });
        assert!(since.elapsed() >= Duration::from_millis(900), "{:?}", since.elapsed());
    }
}

#[test]
fn read_a_flood_of_pings_ends_the_connection() {
    let project = keys_only();
    for kind in ALL {
        let service = kind.start(&project, "");
        let mut stream = silent(&service.address, 1, ONE_REQUEST).remove(0);
        let flood = PING.repeat(1000);
        let (mut sent, since) = (0_usize, Instant::now());
        // 32 MiB are two million of them.
        while !closed(&mut stream) {
            stream.set_nonblocking(false).unwrap();
            stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
            // A write may end within a ping.
            match stream.write(&flood[sent % PING.len()..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
            assert!(sent < 32 << 20, "{kind:?} takes pings for ever");
            assert!(since.elapsed() < Duration::from_secs(60), "{kind:?} reads slowly: {sent}");
        }
        service.serves_promptly("a flood of pings has ended");
    }
}
