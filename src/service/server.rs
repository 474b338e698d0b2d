//! A listener: HTTP/1.1 and HTTP/2, with or without TLS, that ends in order.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower::{Service, ServiceExt};

use super::cores::Cores;
use crate::error::{Fault, Result};

/// The address of the peer, as the handlers see it.
pub type Peer = ConnectInfo<SocketAddr>;

/// For how long a peer may take to send the head of a request, or to shake hands.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// For how long requests that are under way may go on after the end was asked for.
const GRACE: Duration = Duration::from_secs(10);
/// Connections at a time, whatever the limit on open files is.
const MOST_CONNECTIONS: usize = 4096;

/// Listens on `address`.
///
/// # Errors
/// Exit 2 when the address is taken or is not of this machine.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Fault::input(format!("cannot listen on {address}"))
            .because(error)
            .hint("choose another address with --listen")
            .into()
    })
}

/// What answers requests: a router, or a service of one's own.
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

/// Serves `service` until `end` is done; then takes no more connections, lets
/// the requests under way finish for [`GRACE`], and returns.
///
/// A handler gets the peer's address as [`Peer`]. The connections run on `cores`, or
/// without those on the runtime of whoever calls.
///
/// # Errors
/// Never, once it listens: what goes wrong with one connection ends that one.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    service: impl Answers,
    cores: Option<&Cores>,
    end: impl Future<Output = ()> + Send,
) -> Result<()> {
    let open = GracefulShutdown::new();
    let room = std::sync::Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut end = std::pin::pin!(end);
    loop {
        let accepted = async {
            let permit = room.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut end => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of open files, mostly: the next end of a connection helps.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let (service, watcher, tls) = (service.clone(), open.watcher(), tls.clone());
        let Some(cores) = cores else {
            tokio::spawn(async move {
                let _permit = permit;
                connection(stream, peer, tls, service, watcher).await;
            });
            continue;
        };
        // It still belongs to the runtime that accepted it.
        let Ok(stream) = stream.into_std() else { continue };
        cores.spawn(async move {
            let _permit = permit;
            if let Ok(stream) = TcpStream::from_std(stream) {
                connection(stream, peer, tls, service, watcher).await;
            }
        });
    }
    drop(listener);
    let waited = open.count();
    if tokio::time::timeout(GRACE, open.shutdown()).await.is_err() {
        tracing::warn!(connections = waited, "some requests did not end in time and were cut off");
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    service: impl Answers,
    watcher: Watcher,
) {
    // One small answer after another: waiting to fill a packet costs 40 ms.
    let _ = stream.set_nodelay(true);
    match tls {
        None => speak(stream, peer, service, watcher).await,
        Some(tls) => match tokio::time::timeout(HEAD_DEADLINE, tls.accept(stream)).await {
            Ok(Ok(stream)) => speak(stream, peer, service, watcher).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
            Err(_elapsed) => tracing::debug!(%peer, "no TLS handshake in time"),
        },
    }
}

async fn speak<S>(stream: S, peer: SocketAddr, service: impl Answers, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer =
        hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            service.clone().oneshot(request)
        });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE);
    // Most answers are small: a copy costs less than a system call with several buffers.
    builder.http1().writev(false);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
    let connection =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), answer).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "a connection ended badly");
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_request_under_way_is_answered_after_the_end_was_asked_for() {
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
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().route("/", handler);
        let server = tokio::spawn(async move {
            let end = async {
                let _ = stopped.await;
            };
            serve(listener, None, router, cores.as_ref(), end).await
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

    #[tokio::test]
    async fn an_address_that_is_taken_is_bad_input() {
        let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let error = bind(first.local_addr().unwrap()).await.unwrap_err();
        let diagnosis = crate::error::Diagnosis::of(&error);
        assert_eq!(diagnosis.code, crate::exit_code::ExitCode::Input);
    }
}
