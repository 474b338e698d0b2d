//! The one way to a server. Which one takes a request is decided here.

use std::time::Duration;

use axum::body::Body;
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::paths::Endpoint;
use super::streams::StreamId;
use crate::server::namespace::NamespaceName;
use crate::service::problem::Problem;

/// A server on the same network answers in less, or is not there.
const CONNECT: Duration = Duration::from_secs(2);
/// Connections that are kept for the next request, and for how long.
const IDLE_CONNECTIONS: usize = 512;
const IDLE: Duration = Duration::from_secs(30);

/// A request that may pass, as it goes upstream.
#[derive(Debug)]
pub struct Outgoing {
    pub namespace: NamespaceName,
    pub endpoint: Endpoint,
    /// Whether the token may write.
    pub may_write: bool,
    /// The stream that it goes on with. The server that opened it must get it.
    pub stream: Option<StreamId>,
    /// Of the table in [`super::paths`].
    pub path: &'static str,
    pub headers: HeaderMap,
    /// Whole, so that it can be looked at.
    pub body: Bytes,
}

/// The servers behind the gate.
pub struct Upstream {
    client: Client<HttpConnector, Body>,
    primary: Authority,
    timeout: Duration,
}

impl Upstream {
    /// `timeout` is what a server may take to the head of its answer.
    pub fn new(primary: Authority, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        // One small request after another: waiting to fill a packet costs 40 ms.
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Self { client, primary, timeout }
    }

    /// Where the web sockets go.
    pub fn primary(&self) -> &Authority {
        &self.primary
    }

    /// Sends `outgoing` and gives the answer as soon as its head is there.
    ///
    /// # Errors
    /// 503 when no server can be reached, 504 when it takes too long, 502 when
    /// it breaks off.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Response<Incoming>, Problem> {
        tracing::trace!(
            namespace = %outgoing.namespace,
            endpoint = ?outgoing.endpoint,
            stream = ?outgoing.stream,
            may_write = outgoing.may_write,
            "sent to the primary"
        );
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.primary.clone())
            .path_and_query(PathAndQuery::from_static(outgoing.path))
            .build();
        let mut request = Request::new(Body::from(outgoing.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.map_err(|_| broken())?;
        *request.headers_mut() = outgoing.headers;
        match tokio::time::timeout(self.timeout, self.client.request(request)).await {
            Ok(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(broken())
            }
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_elapsed) => Err(Problem::gateway_timeout(
                "upstream-timeout",
                "the database server did not answer in time",
            )),
        }
    }
}

/// What is said when the server cannot be reached.
pub fn unreachable() -> Problem {
    Problem::unavailable("upstream-unavailable", "the database server cannot be reached")
}

fn broken() -> Problem {
    Problem::bad_gateway("upstream-broken", "the database server broke off")
}

fn failed(error: &hyper_util::client::legacy::Error) -> Problem {
    // The address is the operator's own; nothing of the request is in it.
    tracing::warn!(%error, cause = ?std::error::Error::source(error), "no answer from upstream");
    if error.is_connect() { unreachable() } else { broken() }
}
