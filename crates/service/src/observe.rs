//! Logs and metrics of a service: a log line and a count for each request, and
//! `/healthz` and `/metrics` on the admin listener.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::problem::Problem;
use demo_base::error::Result;

/// The route label of a request without a matching route.
const OTHER: Cow<'static, str> = Cow::Borrowed("other");

/// Labels of a request. They name no user or namespace, whose number is unbounded.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Labels {
    route: Cow<'static, str>,
    status: u16,
}

/// The metrics of one service.
#[derive(Clone)]
pub struct Metrics {
    requests: Family<Labels, Counter>,
    seconds: Histogram,
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    /// `service` is the prefix of every name.
    pub fn new(service: &str) -> Self {
        let mut registry = Registry::with_prefix(format!("demo_{service}"));
        let requests = Family::default();
        registry.register("requests", "Requests by route and status", requests.clone());
        // 0.1 ms to 26 s.
        let seconds = Histogram::new(exponential_buckets(0.0001, 4.0, 10));
        registry.register("request_seconds", "Time to the head of the answer", seconds.clone());
        Self { requests, seconds, registry: Arc::new(Mutex::new(registry)) }
    }

    /// Registers a counter of the service.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.lock().register(name, help, counter.clone());
        counter
    }

    /// Registers any metric of the service.
    pub fn register(
        &self,
        name: &str,
        help: &str,
        metric: impl prometheus_client::registry::Metric,
    ) {
        self.lock().register(name, help, metric);
    }

    /// All metrics in the text format of `OpenMetrics`.
    ///
    /// # Errors
    /// Never, for the metrics that this project registers.
    pub fn text(&self) -> Result<String> {
        let mut text = String::new();
        encode(&mut text, &self.lock())?;
        Ok(text)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Counts and logs a request that is answered with `status`.
    ///
    /// `route` is the pattern, not the path, which may contain a name or a token.
    pub fn answered(
        &self,
        method: &Method,
        route: Cow<'static, str>,
        status: StatusCode,
        started: Instant,
    ) {
        let elapsed = started.elapsed();
        let microseconds = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let code = status.as_u16();
        if status.is_server_error() {
            tracing::warn!(%method, route = &*route, status = code, microseconds, "request");
        } else {
            tracing::debug!(%method, route = &*route, status = code, microseconds, "request");
        }
        self.seconds.observe(elapsed.as_secs_f64());
        self.requests.get_or_create(&Labels { route, status: code }).inc();
    }
}

/// `router`, with each request counted and logged.
pub fn observed(router: Router, metrics: &Metrics) -> Router {
    router.layer(axum::middleware::from_fn_with_state(metrics.clone(), count_and_log))
}

/// The routes of the admin listener: `/healthz` (and `/health`), which says only that the
/// process is alive, and `/metrics`.
pub fn admin(metrics: &Metrics) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/health", get(|| async { "ok\n" }))
        .route("/metrics", get(show).with_state(metrics.clone()))
        .fallback(|| async {
            Problem::not_found("not-found", "the routes are /healthz, /health and /metrics")
        })
}

async fn show(State(metrics): State<Metrics>) -> Response {
    match metrics.text() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn count_and_log(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or(OTHER, |path| Cow::Owned(path.as_str().to_owned()));
    let method = request.method().clone();
    let response = next.run(request).await;
    metrics.answered(&method, route, response.status(), started);
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt;

    use super::*;

    async fn text(router: &Router, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 65536).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn requests_are_counted_by_pattern_and_never_by_path() {
        let metrics = Metrics::new("test");
        let router = Router::new().route("/user/{name}", get(|| async { "hello" }));
        let (router, admin) = (observed(router, &metrics), admin(&metrics));
        assert_eq!(text(&admin, "/healthz").await, (200, "ok\n".to_owned()));
        text(&router, "/user/alice").await;
        text(&router, "/secret-path").await;
        assert_eq!(text(&router, "/metrics").await.0, 404);
        let (status, shown) = text(&admin, "/metrics").await;
        assert_eq!(status, 200);
        let line = "demo_test_requests_total{route=\"/user/{name}\",status=\"200\"} 1";
        assert!(shown.contains(line), "{shown}");
        assert!(!shown.contains("alice") && !shown.contains("secret-path"), "{shown}");
    }
}
