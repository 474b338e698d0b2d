//! The only way to a server: every request goes through here.

use std::time::Duration;

use axum::body::Body;
use axum::http::uri::{Authority, PathAndQuery, Scheme};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thread_local::ThreadLocal;

use super::config::Config;
use super::routing::metrics::RoutingMetrics;
use super::routing::{Call, Lost, Open, Routing, Transport};
use demo_service::observe::Metrics;
use demo_service::problem::Problem;
use demo_sqld::namespace::NamespaceName;

/// Time to connect. A server on the same network needs less, or is not running.
const CONNECT: Duration = Duration::from_secs(2);
/// How many idle connections are kept for the next request, and for how long.
const IDLE_CONNECTIONS: usize = 512;
const IDLE: Duration = Duration::from_secs(30);

/// The servers behind the gate.
pub struct Upstream {
    routing: Routing<Http>,
    primary: Authority,
}

impl Upstream {
    /// Sends to the servers of `config`; `metrics` counts which server answered. Needs a
    /// runtime.
    pub fn new(config: &Config, metrics: &Metrics) -> Self {
        let primary = config.primary.0.clone();
        let replicas = config.replicas.iter().map(|server| server.0.clone());
        let http = Http::new(config.limits.timeout);
        let metrics = RoutingMetrics::registered(metrics);
        Self { routing: Routing::new(http, primary.clone(), replicas, metrics), primary }
    }

    /// The server for WebSockets.
    pub fn primary(&self) -> &Authority {
        &self.primary
    }

    /// A guard that a WebSocket of `namespace` holds while it is open. The gate does not see
    /// what it writes, so reads of the namespace go to the primary meanwhile.
    pub fn opens(&self, namespace: &NamespaceName) -> Open {
        self.routing.open(namespace.as_str())
    }

    /// The longest JSON body whose requests are kept for [`Self::send`].
    pub fn kept(&self) -> usize {
        self.routing.kept()
    }

    /// Sends `call` and returns the answer as soon as its head has arrived.
    ///
    /// # Errors
    /// 503 when no server can be reached, 504 when it takes too long, 502 when
    /// the connection breaks.
    pub async fn send(&self, call: Call<'_>) -> Result<Response<Body>, Problem> {
        self.routing.send(call).await.map_err(|lost| match lost {
            Lost::Unreachable => unreachable(),
            Lost::Broken => broken(),
            Lost::Late => Problem::gateway_timeout(
                "upstream-timeout",
                "the database server did not answer in time",
            ),
        })
    }
}

/// HTTP/1.1 with connections that are reused.
struct Http {
    /// One client per thread: the thread that opened a connection drives it, so using the
    /// connection from another thread would wake that thread for each request (see
    /// [`demo_service::cores`]).
    clients: ThreadLocal<Client<HttpConnector, Body>>,
    timeout: Duration,
}

impl Http {
    /// `timeout` is how long a server may take to send the head of its answer.
    fn new(timeout: Duration) -> Self {
        Self { clients: ThreadLocal::new(), timeout }
    }

    fn client() -> Client<HttpConnector, Body> {
        let mut connector = HttpConnector::new();
        // Requests are small, and waiting to fill a packet would cost 40 ms each.
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT));
        Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            // Copying a small request costs less than writing several buffers.
            .http1_writev(false)
            .build(connector)
    }
}

impl Transport for Http {
    async fn send(
        &self,
        server: &Authority,
        method: Method,
        path: &'static str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Body>, Lost> {
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(server.clone())
            .path_and_query(PathAndQuery::from_static(path))
            .build();
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri.map_err(|_| Lost::Broken)?;
        *request.headers_mut() = headers;
        match tokio::time::timeout(self.timeout, self.clients.get_or(Self::client).request(request))
            .await
        {
            Ok(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(Lost::Broken)
            }
            Ok(Ok(response)) => Ok(response.map(Body::new)),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_elapsed) => Err(Lost::Late),
        }
    }
}

/// The problem when the server cannot be reached.
pub fn unreachable() -> Problem {
    Problem::unavailable("upstream-unavailable", "the database server cannot be reached")
}

fn broken() -> Problem {
    Problem::bad_gateway("upstream-broken", "the connection to the database server broke")
}

fn failed(error: &hyper_util::client::legacy::Error) -> Lost {
    // The error has the address of the operator's server, but nothing of the request.
    tracing::warn!(%error, cause = ?std::error::Error::source(error), "no answer from upstream");
    if error.is_connect() { Lost::Unreachable } else { Lost::Broken }
}
