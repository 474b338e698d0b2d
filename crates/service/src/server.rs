//! A listener for HTTP/1.1 and HTTP/2, with or without TLS. It shuts down gracefully, and
//! silent or idle clients cannot block it for others.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::Version;
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt};

use super::connections::place::{Order, Place, TICK};
use super::connections::stream::{Arriving, Leaving, Stream};
use super::connections::{ConnectionLimits, Entry, Table};
use super::cores::Cores;
use super::seldom::Seldom;
use crate::Error;
use demo_base::error::Result;

/// The address of the peer, as the handlers see it.
pub type Peer = ConnectInfo<SocketAddr>;

/// How long running requests may continue after the shutdown began.
const GRACE: Duration = Duration::from_secs(10);
/// How many connections the system queues until they are accepted.
const BACKLOG: u32 = 4096;
/// How long accepting pauses after an error. It doubles with each error, within these bounds.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// The longest head of an HTTP/1 request, and how much of its body is read at once.
const HTTP1_BUFFER: usize = 64 * 1024;
/// The longest header list of an HTTP/2 request.
const HEADER_LIST: u32 = 32 * 1024;
/// Requests at a time on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// The limits on streams that the client reset before they were handled, and on streams
/// that the server reset because of errors. A client that exceeds one is disconnected.
const RESET_STREAMS: usize = 20;
const LOCAL_RESETS: usize = 128;

/// Listens on `address`. Needs a runtime.
///
/// # Errors
/// [`Error::AddressUnusable`].
pub fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source: io::Error| Error::AddressUnusable { address, source })
}

/// Something that answers requests: a router or another service.
pub trait Answers:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> Answers for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// Serves `service` until `end` completes; then accepts no more connections, gives
/// running requests [`GRACE`] to finish, and returns.
///
/// A handler gets the peer's address as [`Peer`]. The connections run on `cores` or, without
/// these, on the caller's runtime. A connection that was upgraded to a WebSocket counts
/// against `limits`, too: it is busy until it ends.
///
/// # Errors
/// Never: an error on a connection ends only that connection.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: ConnectionLimits,
    service: impl Answers,
    cores: Option<&Cores>,
    end: impl Future<Output = ()> + Send,
) -> Result<()> {
    let table = CutAtEnd(Table::new(&limits));
    let tasks = TaskTracker::new();
    let mut pause = Pause::default();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end = pin!(end);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut end => break,
            _ = ticks.tick() => {
                table.0.sweep();
                continue;
            }
            accepted = pause.accept(&listener) => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause.after(&error, &table.0);
                continue;
            }
        };
        let Some(entry) = table.0.admit(peer.ip()) else { continue };
        let (service, tls) = (service.clone(), tls.clone());
        let Some(cores) = cores else {
            tasks.spawn(connection(stream, entry, peer, tls, service));
            continue;
        };
        // The stream is still registered with the runtime that accepted it.
        let Ok(stream) = stream.into_std() else { continue };
        cores.spawn(tasks.track_future(async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                connection(stream, entry, peer, tls, service).await;
            }
        }));
    }
    drop(listener);
    tasks.close();
    table.0.finish_all();
    let waited = tasks.len();
    let ended = async {
        while timeout(TICK, tasks.wait()).await.is_err() {
            table.0.sweep();
        }
    };
    if timeout(GRACE, ended).await.is_err() {
        tracing::warn!(connections = waited, "some requests did not end in time and were cut off");
    }
    Ok(())
}

/// Closes all connections, however serving ends.
struct CutAtEnd(Table);

impl Drop for CutAtEnd {
    fn drop(&mut self) {
        self.0.cut_all();
    }
}

/// The pause between two attempts to accept, after errors.
#[derive(Default)]
struct Pause {
    length: Duration,
    until: Option<Instant>,
    told: Seldom,
}

impl Pause {
    async fn accept(&mut self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        if let Some(until) = self.until {
            sleep_until(until).await;
        }
        let accepted = listener.accept().await?;
        self.until = None;
        Ok(accepted)
    }

    fn after(&mut self, error: &io::Error, table: &Table) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        // These errors concern a single client that is already gone.
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
        ) {
            return;
        }
        // The process is out of open files or memory.
        table.make_room();
        let again = self.until.is_some();
        self.length = if again { (self.length * 2).min(LONGEST_PAUSE) } else { SHORTEST_PAUSE };
        self.until = Some(Instant::now() + self.length);
        if let Some(count) = self.told.count() {
            tracing::warn!(%error, count, "cannot accept connections");
        }
    }
}

async fn connection(
    stream: TcpStream,
    entry: Entry,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    service: impl Answers,
) {
    // Answers are small, and waiting to fill a packet would cost 40 ms each.
    let _ = stream.set_nodelay(true);
    let place = entry.place().clone();
    let stream = Stream::new(stream, entry);
    let Some(tls) = tls else { return speak(stream, peer, place, service).await };
    let shaken = tokio::select! {
        biased;
        shaken = tls.accept(stream) => shaken,
        _order = place.told(Order::Serve) => return,
    };
    match shaken {
        Ok(stream) => speak(stream, peer, place, service).await,
        Err(error) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
    }
}

async fn speak<S>(stream: S, peer: SocketAddr, place: Arc<Place>, service: impl Answers)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = {
        let place = place.clone();
        hyper::service::service_fn(move |request| {
            answered(request, peer, place.clone(), service.clone())
        })
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The table keeps the deadlines, with one timer for all connections.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
    builder.http1().max_buf_size(HTTP1_BUFFER);
    // Most answers are small, and copying one costs less than writing several buffers.
    builder.http1().writev(false);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
    builder.http2().max_concurrent_streams(STREAMS).max_header_list_size(HEADER_LIST);
    builder.http2().max_pending_accept_reset_streams(RESET_STREAMS);
    builder.http2().max_local_error_reset_streams(LOCAL_RESETS);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let mut known = Order::Serve;
    loop {
        tokio::select! {
            biased;
            outcome = connection.as_mut() => {
                if let Err(error) = outcome {
                    tracing::debug!(%peer, %error, "a connection ended with an error");
                }
                return;
            }
            order = place.told(known) => {
                if order == Order::Cut {
                    tracing::debug!(%peer, "a connection was cut off");
                    return;
                }
                connection.as_mut().graceful_shutdown();
                known = order;
            }
        }
    }
}

/// Runs one request, which the table counts from here to the end of its answer. Counting
/// begins at once, not when the future is first polled.
fn answered(
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    place: Arc<Place>,
    service: impl Answers,
) -> impl Future<Output = Result<hyper::Response<Leaving>, Infallible>> {
    let (http2, body) = (request.version() == Version::HTTP_2, !request.body().is_end_stream());
    let turn = place.begin(body, http2);
    async move {
        let Some(turn) = turn else {
            // The connection is about to be dropped, together with this future.
            return pending().await;
        };
        let mut request = request.map(|incoming| {
            if body { Body::new(Arriving::new(incoming, place, http2)) } else { Body::empty() }
        });
        request.extensions_mut().insert(ConnectInfo(peer));
        Ok(Leaving::answer(service.oneshot(request).await?, turn))
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    use super::*;
    use demo_base::ready::{Attempt, poll};

    #[tokio::test]
    async fn a_running_request_is_answered_during_shutdown() {
        ends_in_order(None).await;
        ends_in_order(Some(Cores::start().unwrap())).await;
    }

    async fn ends_in_order(cores: Option<Cores>) {
        let (entered, inside) = oneshot::channel();
        let (release, released) = oneshot::channel::<()>();
        let once = std::sync::Mutex::new(Some((entered, released)));
        let once = std::sync::Arc::new(once);
        let handler = get(move |ConnectInfo(peer): Peer| async move {
            let taken = once.lock().unwrap().take();
            if let Some((entered, released)) = taken {
                entered.send(()).unwrap();
                released.await.unwrap();
            }
            peer.ip().to_string()
        });
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().route("/", handler);
        let server = tokio::spawn(async move {
            let end = async {
                let _ = stopped.await;
            };
            let limits = ConnectionLimits::default();
            serve(listener, None, limits, router, cores.as_ref(), end).await
        });
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        inside.await.unwrap();
        stop.send(()).unwrap();
        release.send(()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.ends_with("127.0.0.1"), "{answer}");
        server.await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err(), "it still listens");
    }

    /// The answer on a new connection; empty when the connection is closed.
    async fn ask(address: SocketAddr) -> String {
        let mut client = TcpStream::connect(address).await.unwrap();
        let mut answer = String::new();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        if client.write_all(request).await.is_ok() {
            let _ = client.read_to_string(&mut answer).await;
        }
        answer
    }

    #[tokio::test]
    async fn h3_a_web_socket_is_busy_until_it_ends_and_a_silent_client_is_not() {
        use axum::extract::ws::WebSocketUpgrade;
        use axum::routing::any;

        let socket = any(async |upgrade: WebSocketUpgrade| {
            upgrade.on_upgrade(async |mut socket| while let Some(Ok(_)) = socket.recv().await {})
        });
        let router = Router::new().route("/", get(async || "here")).route("/socket", socket);
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let limits = ConnectionLimits { connections: 1, per_address: 1, ..Default::default() };
        let server = tokio::spawn(serve(listener, None, limits, router, None, pending()));

        let silent = TcpStream::connect(address).await.unwrap();
        assert!(ask(address).await.ends_with("here"), "the silent one must be pushed out");
        drop(silent);
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.write_all(request).await.unwrap();
        let mut head = [0; 12];
        socket.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 101");
        assert_eq!(ask(address).await, "", "all connections are busy");
        drop(socket);
        let again = async || {
            let answer = ask(address).await;
            let done = answer.ends_with("here");
            Ok(if done { Attempt::Done(()) } else { Attempt::Again(answer) })
        };
        poll("the socket has ended", Duration::from_secs(10), again).await.unwrap();
        server.abort();
    }

    #[tokio::test]
    async fn an_address_that_is_in_use_is_refused() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = bind(first.local_addr().unwrap()).unwrap_err();
        assert!(matches!(error, Error::AddressUnusable { .. }), "{error}");
    }
}
