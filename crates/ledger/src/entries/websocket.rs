//! A client of Hrana over WebSocket, for the probes that look at it.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::http::{Request, StatusCode};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::{Error, within};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;

/// For the handshake, and for each answer.
const DEADLINE: Duration = Duration::from_secs(2);

/// An open connection.
pub(super) struct Socket(WebSocketStream<TcpStream>);

/// What came from the server.
pub(super) enum Received {
    Message(Value),
    /// Code and reason.
    Closed(u16, String),
    /// The connection ended without a close frame.
    Dropped,
    /// Nothing within the deadline.
    Silence,
}

impl Socket {
    /// `Err` with the status when the server does not switch protocols.
    pub(super) async fn open(
        address: SocketAddr,
        host: &str,
        protocol: &str,
    ) -> Result<Result<Self, StatusCode>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = Request::get(format!("ws://{host}/"))
            .header("host", host)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key())
            .header("sec-websocket-protocol", protocol)
            .body(())?;
        match within(DEADLINE, client_async(request, stream)).await {
            Some(Ok((socket, _response))) => Ok(Ok(Self(socket))),
            Some(Err(tungstenite::Error::Http(response))) => Ok(Err(response.status())),
            Some(Err(error)) => Err(Error::experiment_saw("no WebSocket handshake", error).into()),
            None => Err(Error::experiment("the WebSocket handshake is not answered").into()),
        }
    }

    /// Sends a message and waits for what comes next.
    pub(super) async fn ask(&mut self, message: &Value) -> Received {
        // The server may have closed the connection already; reading tells how.
        let _closed = self.0.send(Message::text(message.to_string())).await;
        loop {
            match within(DEADLINE, self.0.next()).await {
                None => return Received::Silence,
                Some(Some(Ok(Message::Text(text)))) => {
                    return Received::Message(serde_json::from_str(&text).unwrap_or_default());
                }
                Some(Some(Ok(Message::Close(frame)))) => {
                    // 1005 is RFC 6455's code for a close frame without one.
                    let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                        (frame.code.into(), frame.reason.to_string())
                    });
                    return Received::Closed(code, reason);
                }
                Some(None | Some(Err(_))) => return Received::Dropped,
                Some(Some(Ok(_ping))) => {}
            }
        }
    }

    /// Asks for `request` under the id `id`.
    pub(super) async fn request(&mut self, id: u32, request: Value) -> Received {
        self.ask(&json!({ "type": "request", "request_id": id, "request": request })).await
    }
}

impl Received {
    /// The type of a message, or how the connection ended: the same words in every run.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Message(value) => value["type"].as_str().unwrap_or("no type").to_owned(),
            Self::Closed(code, reason) => {
                format!("closed with {code} {reason}").trim_end().to_owned()
            }
            Self::Dropped => "dropped".to_owned(),
            Self::Silence => "silent".to_owned(),
        }
    }

    /// The message.
    ///
    /// # Errors
    /// When the connection has ended, or nothing came.
    fn message(self) -> Result<Value> {
        match self {
            Self::Message(message) => Ok(message),
            other => {
                Err(Error::experiment_saw("no answer over WebSocket", other.describe()).into())
            }
        }
    }
}

/// A connection that has said hello and opened a stream.
pub(super) struct Session {
    socket: Socket,
    requests: u32,
}

impl Session {
    /// # Errors
    /// When the server refuses a step.
    pub(super) async fn open(
        address: SocketAddr,
        namespace: &NamespaceName,
        token: &SecretString,
    ) -> Result<Self> {
        let host = format!("{namespace}.localhost:{}", address.port());
        let mut socket = Socket::open(address, &host, "hrana2").await?.map_err(|status| {
            Error::experiment_saw("the server does not switch to WebSocket", status.to_string())
        })?;
        let hello = json!({ "type": "hello", "jwt": token.expose_secret() });
        let answer = socket.ask(&hello).await.message()?;
        if answer["type"] != "hello_ok" {
            return Err(Error::experiment_saw("the hello was refused", answer.to_string()).into());
        }
        let mut session = Self { socket, requests: 0 };
        session.request(json!({ "type": "open_stream", "stream_id": 1 })).await.message()?;
        Ok(session)
    }

    /// Runs a statement and returns how it was answered, in few words. A refusal
    /// and a closed connection are answers.
    ///
    /// # Errors
    /// When the connection was dropped, or the server does not answer in time.
    pub(super) async fn execute(&mut self, sql: &str) -> Result<String> {
        let statement = json!({ "sql": sql, "want_rows": false });
        let request = json!({ "type": "execute", "stream_id": 1, "stmt": statement });
        Ok(match self.request(request).await {
            closed @ Received::Closed(..) => closed.describe(),
            other => match other.message()? {
                answer if answer["type"] == "response_ok" => "ok".to_owned(),
                answer => answer.to_string(),
            },
        })
    }

    async fn request(&mut self, request: Value) -> Received {
        self.requests += 1;
        self.socket.request(self.requests, request).await
    }
}
