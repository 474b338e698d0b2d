//! Turns a request into a WebSocket whose bytes are counted as they arrive.
//!
//! The WebSocket library returns a message only once it is complete. The bytes of a partial
//! message are therefore counted one layer below, where they are read.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::hello::PROTOCOLS;
use crate::body::{Reserved, SMALL};
use crate::paths::Encoding;
use demo_service::problem::Problem;

/// The WebSocket of a client.
pub type Client = WebSocketStream<Metered<TokioIo<Upgraded>>>;
/// A subprotocol of Hrana.
pub type Protocol = (&'static str, Encoding);

/// How many bytes may arrive before a hello is complete.
const BEFORE_HELLO: usize = 16 * 1024;
/// The size of the read and of the write buffer of one WebSocket.
pub const BUFFER: usize = 16 * 1024;

/// A valid request for a WebSocket.
pub struct Upgrade {
    answer: Response,
    upgraded: OnUpgrade,
    pub protocol: Option<Protocol>,
}

/// Reads the head of a request.
///
/// # Errors
/// 404 when the request is not for a WebSocket; 400 when it offers no subprotocol of Hrana.
pub fn requested(parts: &mut Parts) -> Result<Upgrade, Problem> {
    let no_socket =
        || Problem::not_found("route-unknown", "a GET of this route must open a WebSocket");
    let headers = &parts.headers;
    let asks = names(headers, &header::CONNECTION, "upgrade")
        && names(headers, &header::UPGRADE, "websocket")
        && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asks).ok_or_else(no_socket)?;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()));
    let offered = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    let protocol = PROTOCOLS
        .into_iter()
        .find(|(name, _)| names(headers, &header::SEC_WEBSOCKET_PROTOCOL, name));
    if protocol.is_none() && offered {
        let said = "only the subprotocols hrana1, hrana2, hrana3, hrana3-protobuf are supported";
        return Err(Problem::bad_request("subprotocol-unknown", said));
    }
    let upgraded = parts.extensions.remove::<OnUpgrade>().ok_or_else(no_socket)?;
    let mut answer = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept.map_err(|_| no_socket())?);
    if let Some((name, _)) = protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
    }
    Ok(Upgrade { answer, upgraded, protocol })
}

/// Whether the list in a header contains `value`.
fn names(headers: &HeaderMap, name: &HeaderName, value: &str) -> bool {
    let texts = headers.get_all(name).iter().filter_map(|text| text.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|part| part.trim().eq_ignore_ascii_case(value))
}

impl Upgrade {
    /// The answer that accepts the request, and a future of the WebSocket, which completes
    /// once that answer is sent. Its messages have up to `most` bytes.
    pub fn grant(
        self,
        most: usize,
    ) -> (Response, impl Future<Output = Option<(Client, Arc<Traffic>)>> + Send) {
        let Self { answer, upgraded, .. } = self;
        let socket = async move {
            let stream = TokioIo::new(upgraded.await.ok()?);
            let traffic = Arc::new(Traffic::default());
            let metered = Metered { inner: stream, traffic: traffic.clone() };
            let mut config = WebSocketConfig::default();
            config.max_message_size = Some(most);
            config.max_frame_size = Some(most);
            config.read_buffer_size = BUFFER;
            config.write_buffer_size = BUFFER;
            let client = WebSocketStream::from_raw_socket(metered, Role::Server, Some(config));
            Some((client.await, traffic))
        };
        (answer, socket)
    }
}

/// Counts the bytes that have arrived, and notes when bytes were last written.
pub struct Traffic {
    /// Whether the client's hello was accepted.
    introduced: AtomicBool,
    /// Bytes since the last message.
    arrived: AtomicUsize,
    room: Mutex<Option<Reserved>>,
    wrote: Mutex<Wrote>,
}

struct Wrote {
    last: Instant,
    blocked: bool,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            introduced: AtomicBool::new(false),
            arrived: AtomicUsize::new(0),
            room: Mutex::default(),
            wrote: Mutex::new(Wrote { last: Instant::now(), blocked: false }),
        }
    }
}

impl Traffic {
    /// Notes that the client's hello was accepted: from now on its messages may be large, and
    /// count against the memory of its namespace.
    pub fn introduced(&self) {
        self.arrived.store(0, Ordering::Relaxed);
        self.introduced.store(true, Ordering::Relaxed);
    }

    /// Notes that a message is complete and has been passed on.
    pub fn handed_on(&self, new: impl FnOnce() -> Reserved) {
        self.arrived.store(0, Ordering::Relaxed);
        *self.room.lock().unwrap_or_else(PoisonError::into_inner) = Some(new());
    }

    /// How long the client has read nothing although data waits for it.
    pub fn blocked_for(&self) -> Duration {
        let wrote = self.wrote.lock().unwrap_or_else(PoisonError::into_inner);
        if wrote.blocked { wrote.last.elapsed() } else { Duration::ZERO }
    }

    fn may_read(&self) -> io::Result<()> {
        let arrived = self.arrived.load(Ordering::Relaxed);
        if !self.introduced.load(Ordering::Relaxed) {
            let fits = arrived <= BEFORE_HELLO;
            return fits.then_some(()).ok_or_else(|| io::Error::other("the hello is too long"));
        }
        if arrived <= SMALL {
            return Ok(());
        }
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = room.as_mut().is_none_or(|room| room.take_now(arrived));
        fits.then_some(()).ok_or_else(|| io::Error::other("not enough memory for the message"))
    }

    fn wrote(&self, blocked: bool) {
        let mut wrote = self.wrote.lock().unwrap_or_else(PoisonError::into_inner);
        if !blocked || !wrote.blocked {
            *wrote = Wrote { last: Instant::now(), blocked };
        }
    }
}

/// A stream that reports to its [`Traffic`].
pub struct Metered<S> {
    inner: S,
    traffic: Arc<Traffic>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.traffic.may_read()?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        self.traffic.arrived.fetch_add(buffer.filled().len() - before, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.traffic.wrote(wrote.is_pending());
        wrote
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
