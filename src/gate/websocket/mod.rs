//! Hrana over WebSocket. The token is inside the first message, so the gate
//! takes the socket, reads that, and only then dials the server. It looks at
//! the token again for as long as the socket lives, which the server does not.

pub mod hello;
mod relay;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use self::hello::{Frame, PROTOCOLS, Said};
use super::Gate;
use super::door;
use super::paths::Encoding;
use super::rights::Right;
use super::token::Verified;
use super::upstream;
use crate::server::namespace::NamespaceName;
use crate::service::problem::Problem;

/// Until a client has said who it is.
const HELLO: Duration = Duration::from_secs(10);
/// For a server to take the socket.
const DIAL: Duration = Duration::from_secs(3);
/// For saying good-bye.
const FAREWELL: Duration = Duration::from_secs(2);
/// Answers are limited by the server, at 10 MiB.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Why a socket is closed (RFC 6455, 7.4.1).
mod code {
    pub const GOING_AWAY: u16 = 1001;
    pub const PROTOCOL: u16 = 1002;
    pub const POLICY: u16 = 1008;
    pub const TRY_AGAIN: u16 = 1013;
}

/// What a closed socket is told.
struct Farewell {
    code: u16,
    /// For a client that waits for the answer to its hello.
    hello_error: Option<Problem>,
    reason: String,
}

impl Farewell {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, hello_error: None, reason: reason.into() }
    }

    fn refused(code: u16, problem: Problem) -> Self {
        let reason = format!("{}: {}", problem.code(), problem.detail());
        Self { code, hello_error: Some(problem), reason }
    }
}

/// Takes the socket of a client that named `namespace`.
///
/// # Errors
/// 503 when there are too many sockets; 400 when it offers no subprotocol of Hrana.
pub fn accept(
    gate: Arc<Gate>,
    namespace: NamespaceName,
    upgrade: WebSocketUpgrade,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let permit = gate.sockets.clone().try_acquire_owned().map_err(|_| {
        Problem::unavailable(
            "too-many-websockets",
            "there are too many WebSockets; try again later",
        )
    })?;
    let limit = gate.config.limits.body_bytes;
    let upgrade = upgrade
        .protocols(PROTOCOLS.map(|(name, _)| name))
        .max_message_size(limit)
        .max_frame_size(limit);
    let chosen = upgrade.selected_protocol().and_then(|chosen| chosen.to_str().ok());
    let protocol = PROTOCOLS.into_iter().find(|(name, _)| chosen == Some(*name));
    if protocol.is_none() && headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        let said = "only the subprotocols hrana1, hrana2, hrana3 and hrana3-protobuf are spoken";
        return Err(Problem::bad_request("subprotocol-unknown", said));
    }
    let tracker = gate.tasks.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        tracker.track_future(async move {
            let _permit = permit;
            talk(&gate, &namespace, protocol, socket).await;
        })
    }))
}

async fn talk(
    gate: &Gate,
    namespace: &NamespaceName,
    protocol: Option<(&'static str, Encoding)>,
    mut client: WebSocket,
) {
    let encoding = protocol.map_or(Encoding::Json, |(_, encoding)| encoding);
    let farewell = match introduce(gate, namespace, protocol, &mut client).await {
        Err(farewell) => farewell,
        Ok(None) => return,
        Ok(Some((server, token))) => {
            let _open = gate.upstream.opens(namespace);
            let bounds = relay::Bounds { gate, namespace, encoding };
            match relay::run(&bounds, token, &mut client, server).await {
                Some(farewell) => farewell,
                None => return,
            }
        }
    };
    tracing::debug!(%namespace, code = farewell.code, "a WebSocket was closed");
    // Nobody may be left to hear it.
    let _ = tokio::time::timeout(FAREWELL, say_good_bye(&mut client, encoding, farewell)).await;
}

async fn say_good_bye(client: &mut WebSocket, encoding: Encoding, farewell: Farewell) {
    if let Some(problem) = &farewell.hello_error {
        let said = match hello::refuse(encoding, problem.code(), problem.detail()) {
            Frame::Text(text) => Message::Text(text.into()),
            Frame::Binary(bytes) => Message::Binary(bytes.into()),
        };
        if client.send(said).await.is_err() {
            return;
        }
    }
    // A control frame holds 125 bytes, 2 of them the code.
    let mut reason = farewell.reason;
    reason.truncate(reason.floor_char_boundary(120));
    let close = CloseFrame { code: farewell.code, reason: reason.into() };
    if client.send(Message::Close(Some(close))).await.is_err() {
        return;
    }
    // Until the client has closed, too: else the reason may be lost with the connection.
    while let Some(Ok(_)) = client.recv().await {}
}

/// Waits for the hello, checks its token, and dials. `None` when the client has gone.
async fn introduce(
    gate: &Gate,
    namespace: &NamespaceName,
    protocol: Option<(&'static str, Encoding)>,
    client: &mut WebSocket,
) -> Result<Option<(WebSocketStream<TcpStream>, (Arc<Verified>, Right))>, Farewell> {
    let encoding = protocol.map_or(Encoding::Json, |(_, encoding)| encoding);
    let first = async {
        loop {
            match client.recv().await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(message)) => return Some(message),
            }
        }
    };
    let message = tokio::select! {
        message = tokio::time::timeout(HELLO, first) => message,
        () = gate.ending.cancelled() => {
            return Err(Farewell::new(code::GOING_AWAY, "the gate is shutting down"));
        }
    };
    let message = match message {
        Err(_elapsed) => return Err(Farewell::new(code::POLICY, "no hello came in time")),
        Ok(None) => return Ok(None),
        Ok(Some(message)) => message,
    };
    let unclear =
        || Farewell::new(code::PROTOCOL, "the first message is no hello of this subprotocol");
    let jwt = match relay::read(encoding, &message).ok_or_else(unclear)? {
        Said::Hello(jwt) => jwt.unwrap_or_default(),
        Said::Request => return Err(unclear()),
    };
    let token = gate
        .authorise(&jwt, namespace)
        .map_err(|problem| Farewell::refused(code::POLICY, problem))?;
    gate.admit(namespace).map_err(|problem| Farewell::refused(code::TRY_AGAIN, problem))?;
    let dialled = tokio::time::timeout(DIAL, dial(gate, namespace, protocol, &jwt)).await;
    match dialled {
        Ok(Ok(server)) => Ok(Some((server, token))),
        Ok(Err(error)) => {
            tracing::warn!(%error, "no WebSocket to upstream");
            Err(Farewell::refused(code::TRY_AGAIN, upstream::unreachable()))
        }
        Err(_elapsed) => Err(Farewell::refused(code::TRY_AGAIN, upstream::unreachable())),
    }
}

/// A socket to the server, with the hello said.
async fn dial(
    gate: &Gate,
    namespace: &NamespaceName,
    protocol: Option<(&'static str, Encoding)>,
    jwt: &str,
) -> Result<WebSocketStream<TcpStream>, tokio_tungstenite::tungstenite::Error> {
    use futures::SinkExt;
    use tokio_tungstenite::tungstenite;
    let authority = gate.upstream.primary();
    let port = authority.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((authority.host().trim_matches(['[', ']']), port)).await?;
    stream.set_nodelay(true)?;
    let mut request = axum::http::Request::get(format!("ws://{authority}/"))
        .header(header::HOST, authority.as_str())
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key())
        .header(door::BINARY, door::encode(namespace));
    if let Some((name, _)) = protocol {
        request = request.header(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    let request = request.body(()).map_err(tungstenite::Error::HttpFormat)?;
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(LARGEST_ANSWER);
    config.max_frame_size = Some(LARGEST_ANSWER);
    let (mut server, _response) =
        tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
    let encoding = protocol.map_or(Encoding::Json, |(_, encoding)| encoding);
    server.send(relay::upstream(hello::write(encoding, jwt))).await?;
    Ok(server)
}
