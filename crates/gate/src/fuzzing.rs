//! The entry points of the fuzz targets. Built only with `--cfg fuzzing`, as `cargo fuzz`
//! does.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use libsql_sqlite3_parser::dialect::TokenType;
use libsql_sqlite3_parser::lexer::Scanner;
use libsql_sqlite3_parser::lexer::sql::Tokenizer;

use super::message::{Content, Message};
use super::paths::{self, Encoding, Endpoint, ProxyCall};
use super::rights::Right;
use super::routing::{classify, scan};
use super::sql::capabilities::{Class, known};
use super::streams::Sniffer;
use super::token::{Required, Verifier};
use super::trusted_keys::TrustedKeys;
use super::websocket::hello;
use super::websocket::messages::{self, Said};
use super::{grpc, namespace_selector, sql};
use crate::revoked::Revoked;
use demo_sqld::keys::KeySet;

/// Judges SQL, and compares with the server's own tokenizer: if that sees a call of a
/// forbidden name, the SQL must not pass.
pub fn judge(data: &[u8]) {
    let writer = sql::judge(data, true);
    if sql::judge(data, false).is_ok() {
        assert!(writer.is_ok(), "a reader may do what a writer may not");
    }
    if writer.is_ok() {
        assert!(!calls_forbidden(data), "the server would see the call");
    }
}

fn calls_forbidden(sql: &[u8]) -> bool {
    let mut scanner = Scanner::new(Tokenizer::new());
    let mut before = TokenType::TK_SEMI;
    let mut named = None;
    while let Ok((_, Some((text, kind)), _)) = scanner.scan(sql) {
        if kind == TokenType::TK_LP
            && let Some((name, before)) = named.take()
            && !matches!(
                before,
                TokenType::TK_INTO
                    | TokenType::TK_TABLE
                    | TokenType::TK_REFERENCES
                    // SQL has no syntax for the schema of a function.
                    | TokenType::TK_DOT
            )
            && known(name).is_some_and(|known| known.function == Some(Class::Never))
        {
            return true;
        }
        named = match kind {
            TokenType::TK_ID => Some((unquoted(text), before)),
            _ => None,
        };
        before = kind;
    }
    false
}

fn unquoted(name: &[u8]) -> &[u8] {
    match name {
        [b'"' | b'`' | b'[', inside @ .., _] => inside,
        _ => name,
    }
}

/// Bodies of every endpoint that takes JSON.
pub fn hrana_json(data: &[u8]) {
    for endpoint in
        [Endpoint::Stateless, Endpoint::Pipeline(Encoding::Json), Endpoint::Cursor(Encoding::Json)]
    {
        let reader = Message::parse(endpoint, data, Right::Read, 0).is_ok();
        let writer = Message::parse(endpoint, data, Right::Write, data.len());
        assert!(writer.is_ok() || !reader);
        if let Ok(message) = writer
            && let classify::Class::Replica(reads) = classify::class(&message.content)
        {
            assert!(reads.waiting_for(7).is_ok());
        }
    }
    scan::Scanner::default().take(data);
}

/// Bodies in protobuf.
pub fn hrana_protobuf(data: &[u8]) {
    let _ = Message::parse(Endpoint::Pipeline(Encoding::Protobuf), data, Right::Write, 0);
    let _ = Message::parse(Endpoint::Cursor(Encoding::Protobuf), data, Right::Read, 0);
}

/// Messages of a WebSocket, in both directions.
pub fn hello(data: &[u8]) {
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        let _ = messages::about(encoding, data);
        if let Some(Said::Hello(Some(jwt))) = messages::read(encoding, data) {
            let written = hello::write(encoding, &jwt).into_data();
            let again = messages::read(encoding, &written);
            assert_eq!(again, Some(Said::Hello(Some(jwt))), "a different token is sent");
        }
    }
}

/// Calls of embedded replicas.
pub fn grpc_frames(data: &[u8]) {
    for call in [ProxyCall::Execute, ProxyCall::Describe] {
        if let Ok(message) = Message::parse(Endpoint::Proxy(call), data, Right::Write, 0)
            && let Content::Call(call) = message.content
            && let (Ok(a), Ok(b)) = ("a".parse(), "b".parse())
        {
            let (own, client) = call.within(&a);
            assert!(grpc::message(&own).is_ok());
            assert_ne!(client, call.within(&b).1, "two namespaces share a client id");
        }
    }
}

/// Batons in requests and answers.
pub fn batons(data: &[u8]) {
    let Some((size, body)) = data.split_first() else { return };
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        let _ = Message::parse(Endpoint::Pipeline(encoding), body, Right::Write, 0);
        for is_cursor in [false, true] {
            let mut sniffer = Sniffer::default();
            for part in body.chunks(usize::from(*size).max(1)) {
                sniffer.look(encoding, is_cursor, part);
            }
        }
    }
}

/// Tokens, none of which is signed.
pub fn token(data: &[u8]) {
    thread_local! {
        static VERIFIER: Option<Verifier> = KeySet::parse(
            // The base point of Ed25519 as a key, which nobody signs with.
            "WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY",
            "fuzzing",
        )
        .ok()
        .map(|keys| Verifier::new(TrustedKeys::new(&keys), Required::default(), Revoked::nothing()));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    VERIFIER.with(|verifier| {
        let Some(verifier) = verifier else { unreachable!("the key is valid") };
        assert!(verifier.verify(text, 0).is_err(), "nobody has signed it");
    });
}

/// Hosts, headers and paths.
pub fn place(data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let (path, host, plain, binary) = (next(), next(), next(), next());
    let Ok(path) = std::str::from_utf8(path) else { return };
    let found = paths::find(path);
    let mut headers = HeaderMap::new();
    let names = [
        (header::HOST, host),
        (HeaderName::from_static("x-namespace"), plain),
        (HeaderName::from_static("x-namespace-bin"), binary),
    ];
    for (name, value) in names {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
    let uri: Uri = path.parse().unwrap_or_default();
    let within = found.and_then(|place| place.namespace);
    if let Ok(name) = namespace_selector::namespace("localhost", &uri, &headers, within) {
        assert!(name.as_str().parse::<demo_sqld::namespace::NamespaceName>().is_ok());
    }
}
