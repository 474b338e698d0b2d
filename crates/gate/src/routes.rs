//! Handles a request, from its first check to its answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower::util::option_layer;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::config::Config;
use super::message::{Content, Message};
use super::paths::{self, Endpoint, Place};
use super::response_body::{self, Rules, Watch};
use super::rights::Right;
use super::routing::Call;
use super::streams::{Sniffer, StreamId};
use super::{
    Gate, answer, compression, forward, grpc, namespace_selector, problem, token, websocket,
};
use demo_service::observe::{Metrics, observed};
use demo_service::problem::Problem;
use demo_service::server::Answers;
use demo_sqld::namespace::NamespaceName;

/// The service that answers every request to the gate. There is no router in front:
/// [`paths::find`] decides on the path exactly as it arrived, and names the route for the
/// metrics. [`own`] answers everything else.
pub fn service(gate: Arc<Gate>, metrics: &Metrics) -> impl Answers {
    let cors = option_layer(cors(&gate.config));
    let (own, metrics) = (observed(own(), metrics), metrics.clone());
    cors.layer(service_fn(move |request: Request| {
        answer(gate.clone(), own.clone(), metrics.clone(), request)
    }))
}

/// The routes that the gate answers itself, without a token.
fn own() -> Router {
    let name = concat!("demo gate ", env!("CARGO_PKG_VERSION"), "\n");
    Router::new().route("/version", get(move || async move { name })).fallback(
        |request: Request| async move {
            let problem = Problem::not_found("route-unknown", "the gate has no such route");
            match grpc::unknown_call(request.headers()) {
                // With the caller's content type, so that it reads `Unimplemented`.
                Some(kind) => {
                    let mut response = grpc::refusal(&problem);
                    response.headers_mut().insert(header::CONTENT_TYPE, kind);
                    response
                }
                None => refused(problem, None, request.headers()),
            }
        },
    )
}

async fn answer(
    gate: Arc<Gate>,
    own: Router,
    metrics: Metrics,
    request: Request,
) -> Result<Response, Infallible> {
    let started = Instant::now();
    let (mut parts, body) = request.into_parts();
    let uri = parts.uri.clone();
    let Some(place) = paths::find(uri.path()) else {
        return own.oneshot(Request::from_parts(parts, body)).await;
    };
    let outcome = pass(&gate, place, &mut parts, body).await;
    let mut response =
        outcome.unwrap_or_else(|problem| refused(problem, Some(place.endpoint), &parts.headers));
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE && parts.version < Version::HTTP_2 {
        // The rest of the body is not read, so the connection cannot be used again.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if parts.method == Method::HEAD {
        // hyper drops the body of an answer to HEAD over HTTP/1 only.
        *response.body_mut() = Body::empty();
    }
    metrics.answered(&parts.method, place.path.into(), response.status(), started);
    Ok(response)
}

fn refused(problem: Problem, endpoint: Option<Endpoint>, headers: &HeaderMap) -> Response {
    tracing::debug!(code = problem.code(), "refused");
    answer::refuse(problem, endpoint, headers)
}

/// Lets pages of the configured origins use the gate; `None` without such origins.
fn cors(config: &Config) -> Option<CorsLayer> {
    if config.origins.is_empty() {
        return None;
    }
    let origins = config.origins.iter().map(|origin| origin.0.clone());
    let asked =
        ["x-namespace", "x-namespace-bin", "x-grpc-web", "x-user-agent", "x-libsql-client-version"];
    let asked = asked.map(HeaderName::from_static);
    let shown = ["grpc-status", "grpc-message", "retry-after"].map(HeaderName::from_static);
    let headers = [header::AUTHORIZATION, header::CONTENT_TYPE].into_iter().chain(asked);
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(headers.collect::<Vec<_>>())
        .expose_headers(shown)
        .max_age(Duration::from_secs(3600));
    Some(layer)
}

async fn pass(
    gate: &Arc<Gate>,
    place: Place<'_>,
    parts: &mut Parts,
    body: Body,
) -> Result<Response, Problem> {
    if !place.endpoint.takes(&parts.method) {
        let said = "the route does not support this method";
        return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", said));
    }
    if place.endpoint == Endpoint::Version {
        return Ok(version(place.path));
    }
    let namespace = namespace_selector::namespace(
        &gate.config.domain,
        &parts.uri,
        &parts.headers,
        place.namespace,
    )
    .map_err(|closed| Problem::bad_request(closed.code(), said(closed, gate)))?;
    if parts.method == Method::GET {
        return socket(gate, namespace, parts);
    }
    forward_call(gate, place, namespace, parts, body).await
}

fn said(closed: namespace_selector::Closed, gate: &Gate) -> String {
    closed.to_string().replace("{domain}", &gate.config.domain)
}

/// The answer that tells clients which versions are supported; it needs no token.
fn version(path: &str) -> Response {
    format!("Hello, this is Hrana over HTTP at {path}\n").into_response()
}

fn socket(
    gate: &Arc<Gate>,
    namespace: NamespaceName,
    parts: &mut Parts,
) -> Result<Response, Problem> {
    // CORS does not apply to WebSockets, so the gate checks the origin itself.
    if let Some(origin) = parts.headers.get(header::ORIGIN)
        && !gate.config.origins.iter().any(|known| known.0 == origin)
    {
        return Err(Problem::forbidden("origin-forbidden", "pages of this origin may not connect"));
    }
    websocket::accept(gate.clone(), namespace, parts)
}

async fn forward_call(
    gate: &Arc<Gate>,
    place: Place<'_>,
    namespace: NamespaceName,
    parts: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let endpoint = place.endpoint;
    if endpoint.is_grpc() && !grpc::is_web(&parts.headers) {
        let said = "only gRPC-web with the content type application/grpc-web+proto is supported";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "grpc-form", said));
    }
    let token = forward::token(&parts.headers, endpoint)
        .map_err(|said| Problem::unauthorized("token-invalid", said))?
        .ok_or_else(|| problem(token::Bad::Missing))?;
    let (verified, right) = gate.authorise(token, &namespace)?;
    let tenant = gate.tenants.of(&namespace);
    tenant.admit(1).await?;
    let body = gate.reader.read(&tenant, &parts.headers, body).await?;
    let Message { statements, content } =
        Message::parse(endpoint, &body, right, gate.upstream.kept())?;
    if statements > 1 {
        tenant.admit(statements - 1).await?;
    }
    let mut watch = None;
    let mut sent_body = body.clone();
    match &content {
        Content::Stream(stream) => {
            watch = Some(Watch {
                encoding: stream.encoding,
                cursor: stream.cursor,
                streams: gate.streams.clone(),
                namespace: namespace.clone(),
                slot: tenant.stream(own_stream(gate, stream.id, &namespace)?).await?,
                sniffer: Sniffer::default(),
            });
        }
        Content::Call(call) => {
            let (own, client) = call.within(&namespace);
            sent_body = own;
            tenant.client(client).await?;
        }
        Content::Stateless | Content::Inert => {}
    }
    let connects = matches!(content, Content::Stateless);
    // What is sent must be the last copy of the body, since the answer may take long.
    let content = match content.detached() {
        Some(content) => {
            drop(body);
            content
        }
        None => content,
    };
    let follows = endpoint == Endpoint::Replication { follows: true };
    let executing = if follows { None } else { Some(tenant.execute().await?) };
    let connection = if connects { Some(tenant.connect().await?) } else { None };
    // The token may have expired while the body arrived.
    gate.verifier.recheck(&verified, token::now()).map_err(problem)?;
    let call = Call {
        headers: forward::request(&parts.headers, endpoint, &namespace, token),
        may_write: right == Right::Write,
        namespace,
        content,
        path: place.path,
        body: sent_body,
    };
    if let Some(watch) = &mut watch {
        watch.slot.sent();
    }
    let sent = gate.upstream.send(call).await;
    if sent.is_err()
        && let Some(watch) = &mut watch
    {
        // The connection to the server is closed, and with it the stream.
        watch.slot.closed();
    }
    let (mut head, incoming) = sent?.into_parts();
    drop(connection);
    forward::answer(&mut head.headers);
    let check = {
        let gate = gate.clone();
        move || gate.verifier.recheck(&verified, token::now()).map_err(problem)
    };
    let rules = Rules {
        // The statements of a cursor run while its answer is sent; all others have ended.
        executing: executing.filter(|_| watch.as_ref().is_some_and(|watch| watch.cursor)),
        watch,
        grpc: endpoint.is_grpc(),
        follows,
        gzip: compression::accepted(&parts.headers),
        unread: gate.config.limits.unread_answer,
        check,
    };
    let body = response_body::pass(&mut head, incoming, rules);
    response_body::varies(&mut head.headers);
    Ok(Response::from_parts(head, body))
}

/// The stream that a request continues, if any, which must belong to its namespace.
fn own_stream(
    gate: &Gate,
    stream: Option<StreamId>,
    namespace: &NamespaceName,
) -> Result<Option<StreamId>, Problem> {
    if stream.is_none_or(|stream| gate.streams.belongs(stream, namespace)) {
        return Ok(stream);
    }
    // The answer is the same for a stream that has expired, one that another gate has opened
    // and one of another namespace: the client has no right to know more.
    Err(Problem::bad_request(
        "STREAM_EXPIRED",
        "the stream has expired, or was not opened in this namespace",
    ))
}
