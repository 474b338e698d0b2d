//! Web sockets: who it is, for how long, and of which namespace.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::client_with_config;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket};

use super::{Front, bin, now};

pub struct Socket(pub WebSocket<TcpStream>);

/// What came: a message, or the code and reason of the end.
#[derive(Debug)]
pub enum Came {
    Said(Value),
    Closed(u16, String),
    Dropped,
}

impl Socket {
    pub fn open(to: &str, namespace: &str, head: &[(&str, &str)]) -> Result<Self, u16> {
        Self::open_with(to, namespace, "hrana2", head)
    }

    pub fn open_with(
        to: &str,
        namespace: &str,
        protocol: &str,
        head: &[(&str, &str)],
    ) -> Result<Self, u16> {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let mut request = axum::http::Request::get(format!("ws://{to}/"))
            .header("host", to)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key())
            .header("sec-websocket-protocol", protocol)
            .header("x-namespace-bin", bin(namespace));
        for (name, value) in head {
            request = request.header(*name, *value);
        }
        match client_with_config(request.body(()).unwrap(), stream, None) {
            Ok((socket, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], protocol);
                Ok(Self(socket))
            }
            Err(tokio_tungstenite::tungstenite::HandshakeError::Failure(Error::Http(answer))) => {
                Err(answer.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub fn say(&mut self, message: &Value) -> Came {
        // It may be closed already; what comes says so.
        let _closed = self.0.send(Message::text(message.to_string()));
        self.hear()
    }

    pub fn hear(&mut self) -> Came {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return Came::Said(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(Some(frame))) => {
                    return Came::Closed(frame.code.into(), frame.reason.to_string());
                }
                Ok(Message::Close(None)) | Err(_) => return Came::Dropped,
                Ok(_) => {}
            }
        }
    }

    pub fn hello(&mut self, token: &str) -> Came {
        self.say(&json!({"type": "hello", "jwt": token}))
    }

    pub fn execute(&mut self, sql: &str) -> Came {
        let statement = json!({"sql": sql, "want_rows": true});
        let request = json!({"type": "execute", "stream_id": 1, "stmt": statement});
        self.say(&json!({"type": "request", "request_id": 2, "request": request}))
    }

    /// With a stream open.
    pub fn ready(to: &str, namespace: &str, token: &str) -> Self {
        let mut socket = Self::open(to, namespace, &[]).unwrap();
        let welcome = socket.hello(token);
        assert!(matches!(&welcome, Came::Said(said) if said["type"] == "hello_ok"), "{welcome:?}");
        let open = json!({"type": "open_stream", "stream_id": 1});
        let opened = socket.say(&json!({"type": "request", "request_id": 1, "request": open}));
        assert!(opened.said("response_ok"), "{opened:?}");
        socket
    }
}

impl Came {
    pub fn text(&self) -> String {
        match self {
            Self::Said(said) => said.to_string(),
            other => format!("{other:?}"),
        }
    }

    pub fn said(&self, kind: &str) -> bool {
        matches!(self, Self::Said(said) if said["type"] == kind)
    }

    pub fn closed(&self, code: u16, part: &str) -> bool {
        matches!(self, Self::Closed(found, reason) if *found == code && reason.contains(part))
    }
}

#[test]
fn a_socket_is_its_tokens_for_as_long_as_that_lives() {
    let mut front = Front::new();
    let gate = front.address.clone();
    let mut own = Socket::ready(&gate, "alpha", &front.rw("alpha"));
    let rows = own.execute("SELECT x FROM t");
    assert!(
        matches!(&rows, Came::Said(said) if said.to_string().contains("alpha-row")),
        "{rows:?}"
    );

    // Another's namespace, no token, a bad one: told at the hello.
    for (token, code) in [
        (front.rw("beta"), "namespace-forbidden"),
        (String::new(), "token-missing"),
        ("x.y.z".to_owned(), "token-invalid"),
        (front.token(&json!({"id": "alpha", "exp": now() - 30})), "token-expired"),
        (front.token(&json!({})), "namespace-forbidden"),
    ] {
        let mut socket = Socket::open(&gate, "alpha", &[]).unwrap();
        let came = socket.hello(&token);
        assert!(matches!(&came, Came::Said(said) if said["error"]["code"] == code), "{came:?}");
        let end = socket.hear();
        assert!(end.closed(1008, code), "{end:?}");
    }
    // A request without a hello; something else altogether.
    let mut socket = Socket::open(&gate, "alpha", &[]).unwrap();
    let end = socket.execute("SELECT 1");
    assert!(end.closed(1002, "hello"), "{end:?}");
    assert_eq!(Socket::open(&gate, "alpha", &[("origin", "http://evil.example")]).err(), Some(403));
    assert_eq!(Socket::open(&gate, "alpha", &[("x-namespace", "beta")]).err(), Some(400));

    // A later hello is looked at as the first was.
    let again = own.hello(&front.rw("beta"));
    assert!(again.said("hello_error"), "{again:?}");
    assert!(own.hear().closed(1008, "namespace-forbidden"));
    let mut changed = Socket::ready(&gate, "alpha", &front.rw("alpha"));
    assert!(changed.hello(&front.ro("alpha")).said("hello_ok"));
    let refused = changed.execute("INSERT INTO t VALUES ('read-only')");
    assert!(!refused.said("response_ok"), "{refused:?}");

    expiry(&front);
    shutdown(&mut front);
}

/// P17: the server never looks at the token again.
fn expiry(front: &Front) {
    // At the server even a minute later; a token that is dead at once shows it sooner.
    let token = front.token(&json!({"id": "alpha", "exp": now() - 58}));
    let mut direct = Socket::ready(&front.server, "alpha", &token);
    let head = [("x-namespace-bin", "YWxwaGE")];
    demo_test_support::until("the token is dead at the server", || {
        front.pipeline(&front.server, &head, &token, &["SELECT 1"]).status == 401
    });
    let late = direct.execute("INSERT INTO t VALUES ('late-direct')");
    assert!(late.said("response_ok"), "the server looks at it again: {late:?}");

    let started = Instant::now();
    let token = front.token(&json!({"id": "alpha", "exp": now() + 3}));
    let mut gated = Socket::ready(&front.address, "alpha", &token);
    assert!(gated.execute("SELECT 1").said("response_ok"));
    let end = gated.hear();
    assert!(end.closed(1008, "token-expired"), "{end:?}");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
}

fn shutdown(front: &mut Front) {
    let mut socket = Socket::ready(&front.address, "alpha", &front.rw("alpha"));
    front.gate.signal(rustix::process::Signal::TERM);
    let end = socket.hear();
    assert!(end.closed(1001, "shutting down"), "{end:?}");
    assert!(front.gate.end().success());
}
