//! The HTTP routes of the mint.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::keyring::Keyring;
use super::refusal::Refusal;
use super::token_issuer::{Issued, TokenIssuer};
use demo_service::bearer::{self, NotBearer};
use demo_service::observe::{self, Metrics};
use demo_service::peer::TrustedProxies;
use demo_service::problem::Problem;
use demo_service::server::Peer;

/// A request needs no body, but a client may send a small one, such as `{}`.
const LONGEST_BODY: usize = 16 * 1024;
/// From the head of a request to the head of its answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a browser may cache the answer to a preflight request.
const PREFLIGHT: Duration = Duration::from_secs(600);

/// The state that the handlers share.
#[derive(Clone)]
pub struct Mint {
    pub token_issuer: Arc<TokenIssuer>,
    pub keys: Arc<Keyring>,
    pub outcomes: Family<Outcome, Counter>,
    pub proxies: Arc<TrustedProxies>,
}

/// `minted`, or the code of the problem.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct Outcome {
    code: &'static str,
}

/// All routes. Pages of `origins` may ask for tokens.
pub fn router(mint: Mint, origins: Vec<HeaderValue>, metrics: &Metrics) -> Router {
    let mut token = Router::new()
        .route("/token", post(token))
        // Set before the CORS layer: a later fallback would answer preflight requests.
        .method_not_allowed_fallback(not_like_this)
        .with_state(mint.clone());
    if !origins.is_empty() {
        let cors = CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::POST])
            .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
            .expose_headers([header::RETRY_AFTER])
            .max_age(PREFLIGHT);
        token = token.layer(cors);
    }
    let rest = Router::new()
        .route("/.well-known/jwks.json", get(keys))
        .with_state(mint)
        .merge(token)
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_like_this)
        .layer(CatchPanicLayer::custom(|_panic: Box<dyn std::any::Any + Send>| {
            Problem::from(Refusal::Internal).into_response()
        }));
    observe::observed(rest, metrics)
}

async fn token(State(mint): State<Mint>, peer: Peer, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let address = mint.proxies.client(peer.0.ip(), &head.headers);
    let outcome =
        tokio::time::timeout(DEADLINE, issue(&mint.token_issuer, address, &head.headers, body));
    let outcome = outcome.await.unwrap_or(Err(Refusal::TooSlow));
    let code = outcome.as_ref().map_or_else(|refusal| refusal.code(), |_| "minted");
    mint.outcomes.get_or_create(&Outcome { code }).inc();
    match outcome {
        Ok(issued) => ([(header::CACHE_CONTROL, "no-store")], axum::Json(issued)).into_response(),
        Err(refusal) => {
            if refusal.is_ours() {
                tracing::warn!(code, "no token was issued");
            } else {
                // The request limits bound the rate of this line.
                tracing::info!(code, %address, "refused");
            }
            Problem::from(refusal).into_response()
        }
    }
}

async fn issue(
    token_issuer: &TokenIssuer,
    address: IpAddr,
    headers: &HeaderMap,
    body: Body,
) -> Result<Issued, Refusal> {
    token_issuer.admit(address)?;
    axum::body::to_bytes(body, LONGEST_BODY).await.map_err(|_| Refusal::Body)?;
    token_issuer.issue(login(headers)?).await
}

/// The token of the only `Authorization` header.
fn login(headers: &HeaderMap) -> Result<&str, Refusal> {
    match bearer::token(headers, &header::AUTHORIZATION) {
        Ok(Some(token)) => Ok(token),
        Err(NotBearer::Words) => Err(Refusal::Malformed),
        Ok(None) | Err(NotBearer::Form | NotBearer::Several) => Err(Refusal::NoLogin),
    }
}

async fn keys(State(mint): State<Mint>) -> Response {
    let caching = (header::CACHE_CONTROL, "public, max-age=60");
    ([caching], axum::Json(mint.keys.document())).into_response()
}

async fn nothing_here() -> Problem {
    Problem::not_found("not-found", "there is no such route: use POST /token")
}

async fn not_like_this() -> Problem {
    let status = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "method-not-allowed", "the route does not support this method")
}
