//! Hrana over WebSocket. The token is in the first message, so the gate accepts the
//! WebSocket, reads that message, and only then connects to the server. Unlike the server,
//! it checks the token again for as long as the WebSocket is open.

pub mod hello;
pub mod lobby;

pub mod messages;
mod relay;
mod requests;
mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

use self::lobby::Place;
use self::messages::Said;
use self::relay::Server;
use self::upgrade::{Client, Protocol, Traffic};
use super::Gate;
use super::namespace_selector;
use super::paths::Encoding;
use super::rights::Right;
use super::tenants::{Socket, Tenant};
use super::token::Verified;
use super::upstream;
use demo_service::problem::Problem;
use demo_sqld::namespace::NamespaceName;

/// Time for a client to send its hello.
const HELLO: Duration = Duration::from_secs(5);
/// Time for the server to accept a WebSocket.
const DIAL: Duration = Duration::from_secs(3);
/// Time for the closing handshake with the client.
const FAREWELL: Duration = Duration::from_secs(2);
/// The longest answer in bytes. The server's own limit is 10 MiB.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Status codes of the close frame (RFC 6455, 7.4.1).
mod code {
    pub const GOING_AWAY: u16 = 1001;
    pub const PROTOCOL: u16 = 1002;
    pub const POLICY: u16 = 1008;
    pub const TRY_AGAIN: u16 = 1013;
}

/// What a client is told when the gate closes its WebSocket.
struct Farewell {
    code: u16,
    /// Sent as the answer to the hello, if the client still waits for that.
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

/// Accepts the WebSocket of a client for `namespace`.
///
/// # Errors
/// 404 when the request is not for a WebSocket; 400 when it offers no subprotocol of Hrana.
pub fn accept(
    gate: Arc<Gate>,
    namespace: NamespaceName,
    parts: &mut Parts,
) -> Result<Response, Problem> {
    let upgrade = upgrade::requested(parts)?;
    let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let place = gate.lobby.enter(address);
    let protocol = upgrade.protocol;
    let (answer, socket) = upgrade.grant(gate.config.limits.body_bytes);
    let tracker = gate.tasks.clone();
    tokio::spawn(tracker.track_future(async move {
        let upgraded = tokio::select! {
            upgraded = tokio::time::timeout(HELLO, socket) => upgraded.ok().flatten(),
            () = place.leave.cancelled() => None,
        };
        if let Some((client, traffic)) = upgraded {
            talk(&gate, &namespace, protocol, place, (client, traffic)).await;
        }
    }));
    Ok(answer)
}

async fn talk(
    gate: &Gate,
    namespace: &NamespaceName,
    protocol: Option<Protocol>,
    place: Place,
    (mut client, traffic): (Client, Arc<Traffic>),
) {
    let encoding = protocol.map_or(Encoding::Json, |(_, encoding)| encoding);
    let farewell = match introduce(gate, namespace, protocol, place, &mut client).await {
        Err(farewell) => farewell,
        Ok(None) => return,
        Ok(Some(known)) => {
            traffic.introduced();
            traffic.handed_on(|| gate.room.reserve(known.tenant.clone()));
            let _open = gate.upstream.opens(namespace);
            let (tenant, traffic) = (&known.tenant, &*traffic);
            let bounds = relay::Bounds { gate, namespace, tenant, encoding, traffic };
            match relay::run(&bounds, known.token, &mut client, known.server).await {
                Some(farewell) => farewell,
                None => return,
            }
        }
    };
    tracing::debug!(%namespace, code = farewell.code, "a WebSocket was closed");
    // The client may be gone already.
    let _ = tokio::time::timeout(FAREWELL, say_good_bye(&mut client, encoding, farewell)).await;
}

async fn say_good_bye(client: &mut Client, encoding: Encoding, farewell: Farewell) {
    if let Some(problem) = &farewell.hello_error {
        let said = hello::refuse(encoding, problem.code(), problem.detail());
        if client.send(said).await.is_err() {
            return;
        }
    }
    // A control frame holds 125 bytes, including 2 for the code.
    let mut reason = farewell.reason;
    reason.truncate(reason.floor_char_boundary(120));
    let close = CloseFrame { code: farewell.code.into(), reason: reason.into() };
    if client.send(Message::Close(Some(close))).await.is_err() {
        return;
    }
    // Wait until the client has closed, too: otherwise the reason may be lost with the
    // connection.
    while let Some(Ok(_)) = client.next().await {}
}

/// A client whose hello was accepted.
struct Known {
    token: (Arc<Verified>, Right),
    tenant: Arc<Tenant>,
    server: Server,
    _places: (OwnedSemaphorePermit, Socket),
}

/// Waits for the hello, checks its token, and connects to the server. `None` when the client
/// has gone.
async fn introduce(
    gate: &Gate,
    namespace: &NamespaceName,
    protocol: Option<Protocol>,
    place: Place,
    client: &mut Client,
) -> Result<Option<Known>, Farewell> {
    let encoding = protocol.map_or(Encoding::Json, |(_, encoding)| encoding);
    let first = async {
        loop {
            match client.next().await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Err(tungstenite::Error::Io(_) | tungstenite::Error::Capacity(_))) => {
                    return Err(Farewell::new(code::POLICY, "the hello is too long, or broken"));
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(None),
                Some(Ok(message)) => return Ok(Some(message)),
            }
        }
    };
    let message = tokio::select! {
        message = tokio::time::timeout(HELLO, first) => message,
        () = place.leave.cancelled() => {
            let said = "no hello arrived, and another client needs the place";
            return Err(Farewell::new(code::TRY_AGAIN, said));
        }
        () = gate.ending.cancelled() => {
            return Err(Farewell::new(code::GOING_AWAY, "the gate is shutting down"));
        }
    };
    drop(place);
    let message = match message {
        Err(_elapsed) => return Err(Farewell::new(code::POLICY, "no hello arrived in time")),
        Ok(Err(farewell)) => return Err(farewell),
        Ok(Ok(None)) => return Ok(None),
        Ok(Ok(Some(message))) => message,
    };
    let unclear =
        || Farewell::new(code::PROTOCOL, "the first message is not a hello of this subprotocol");
    let jwt = match relay::read(encoding, &message).ok_or_else(unclear)? {
        Said::Hello(jwt) => jwt.unwrap_or_default(),
        Said::Request(_) => return Err(unclear()),
    };
    let token = gate
        .authorise(&jwt, namespace)
        .map_err(|problem| Farewell::refused(code::POLICY, problem))?;
    let tenant = gate.tenants.of(namespace);
    let busy = |problem| Farewell::refused(code::TRY_AGAIN, problem);
    tenant.admit(1).await.map_err(busy)?;
    let all = gate.sockets.clone().try_acquire_owned();
    let all = all.map_err(|_| {
        let said = "there are too many WebSockets; try again later";
        busy(Problem::unavailable("too-many-websockets", said))
    })?;
    let own = tenant.socket().map_err(busy)?;
    let dialled = tokio::time::timeout(DIAL, dial(gate, namespace, protocol, &jwt)).await;
    match dialled {
        Ok(Ok(server)) => Ok(Some(Known { token, tenant, server, _places: (all, own) })),
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot open a WebSocket to upstream");
            Err(Farewell::refused(code::TRY_AGAIN, upstream::unreachable()))
        }
        Err(_elapsed) => Err(Farewell::refused(code::TRY_AGAIN, upstream::unreachable())),
    }
}

/// Opens a WebSocket to the server and sends the hello.
async fn dial(
    gate: &Gate,
    namespace: &NamespaceName,
    protocol: Option<Protocol>,
    jwt: &str,
) -> Result<Server, tungstenite::Error> {
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
        .header(namespace_selector::BINARY, namespace_selector::encode(namespace));
    if let Some((name, _)) = protocol {
        request = request.header(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    let request = request.body(()).map_err(tungstenite::Error::HttpFormat)?;
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(LARGEST_ANSWER);
    config.max_frame_size = Some(LARGEST_ANSWER);
    config.read_buffer_size = upgrade::BUFFER;
    config.write_buffer_size = upgrade::BUFFER;
    let (mut server, _response) =
        tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
    let encoding = protocol.map_or(Encoding::Json, |(_, encoding)| encoding);
    server.send(hello::write(encoding, jwt)).await?;
    Ok(server)
}
