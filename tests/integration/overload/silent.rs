//! Clients that connect and then say nothing, or only a part.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};

use super::{Kind, Service, certificate, keys_only, raise_limit};
use demo_test_support::Project;

/// More than a service takes at a time.
const MANY: usize = 4200;

/// What a silent client sends, without TLS.
pub const FORMS: [(&str, &[u8]); 5] = [
    ("nothing is sent", b""),
    ("half an HTTP/2 preface is sent", b"PRI * HTTP/2.0\r\n\r\n"),
    (
        "an HTTP/2 preface and SETTINGS are sent",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ),
    ("half a head is sent", b"POST /token HTTP/1.1\r\nHost: a\r\nX-"),
    (
        "half a body is sent",
        b"PUT /-/user/org.couchdb.user:a HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{",
    ),
];

/// What one sends that should shake hands: the head of a record, and a part of it.
pub const HANDSHAKES: [(&str, &[u8]); 2] = [
    ("no TLS handshake is begun", b""),
    ("half a TLS handshake is sent", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
];

/// Opens `count` connections that send `bytes` and no more.
pub fn silent(address: &str, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let open = || {
        let mut stream = TcpStream::connect(address).unwrap();
        // It may be pushed out already.
        let _ = stream.write_all(bytes);
        stream
    };
    (0..count).map(|_| open()).collect()
}

fn withstands(service: &Service, forms: &[(&str, &[u8])]) {
    service.serves_promptly("nobody else is there");
    for (what, bytes) in forms {
        let held = silent(&service.address, MANY, bytes);
        service.serves_promptly(what);
        drop(held);
    }
}

/// One service at a time: each takes thousands of open files of this process.
fn attack(kind: Kind, project: &Project) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    raise_limit(MANY as u64 + 1000);
    withstands(&kind.start(project, ""), &FORMS);
    let tls = certificate(project, "silent");
    withstands(&kind.start(project, &tls), &HANDSHAKES);
}

#[test]
fn h3_silent_connections_do_not_keep_honest_clients_of_the_gate_waiting() {
    let project = Project::up(&["namespaced"]);
    project.demo(["namespace", "create", "shop"]).success();
    attack(Kind::Gate, &project);
}

#[test]
fn h3_silent_connections_do_not_keep_honest_clients_of_the_mint_waiting() {
    attack(Kind::Mint, &keys_only());
}

#[test]
fn h3_silent_connections_do_not_keep_honest_clients_of_the_login_service_waiting() {
    attack(Kind::Login, &Project::without_server());
}
