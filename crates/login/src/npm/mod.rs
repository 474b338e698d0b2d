//! The protocol that `npm` and `pnpm` use.
//!
//! It was recorded with npm 11.19 and pnpm 12.21 against `@pnpm/pnpr` 0.1.0-alpha.8, the
//! reference service; docs/shared-login.md lists the differences.

mod answer;
mod body;
mod caller;
mod login;
mod metrics;
mod profile;
mod tokens;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use serde_json::json;

use self::answer::{Answer, Refusal};
use self::metrics::Counters;
use super::limits::{Limits, TokenLimits};
use super::name::Username;
use super::password::Hasher;
use super::store::Store;
use super::throttle::Throttle;
use super::tokens::{Presented, Terms, TokenRecord};
use demo_service::limits::Limiter;
use demo_service::observe::{Metrics, observed};
use demo_service::peer::TrustedProxies;

/// The state that the handlers share.
struct Service {
    store: Arc<Store>,
    hasher: Hasher,
    throttle: Throttle,
    /// `None`: registration is closed.
    max_users: Option<u64>,
    /// Registrations from one address or one /64.
    registrations: Limiter<IpAddr>,
    tokens: TokenLimits,
    proxies: TrustedProxies,
    counters: Counters,
}

type App = Arc<Service>;

impl Service {
    /// A new token for `user`, whose password was compared with `hash`. If the user has too
    /// many tokens then, the oldest ones are revoked.
    ///
    /// # Errors
    /// 401 when the password was changed meanwhile, and errors of the database.
    async fn issue(
        &self,
        user: &Username,
        hash: &str,
        terms: Terms,
    ) -> Result<(Presented, TokenRecord), Refusal> {
        let (token, record) = TokenRecord::issue(user, self.tokens.bound(terms))?;
        self.store.add_token(&record).await?;
        // A password change revokes all existing tokens, but this one may be newer.
        if self.store.hash_of(user).await?.as_deref() != Some(hash) {
            self.store.revoke(user, &record.id).await?;
            return Err(Refusal::wrong_password());
        }
        let all = self.store.tokens_of(user).await?;
        let most = usize::try_from(self.tokens.per_user.get()).unwrap_or(usize::MAX);
        let others = all.iter().filter(|other| other.id != record.id);
        for oldest in others.take(all.len().saturating_sub(most)) {
            self.store.revoke(user, &oldest.id).await?;
        }
        Ok((token, record))
    }
}

/// The routes of the login half of a registry; `metrics` counts their requests.
pub fn router(
    store: Arc<Store>,
    max_users: Option<u64>,
    limits: Limits,
    metrics: &Metrics,
) -> Router {
    let counters = Counters::new(metrics, &store);
    let rate = limits.registrations;
    let service = Service {
        store,
        hasher: Hasher::default(),
        throttle: Throttle::default(),
        max_users,
        registrations: Limiter::per_minute(rate.per_minute, rate.burst),
        tokens: limits.tokens,
        proxies: limits.trusted_proxies,
        counters,
    };
    let routes = Router::new()
        .route("/-/ping", get(ping))
        .route("/-/whoami", get(profile::whoami))
        .route("/-/v1/login", post(web_login))
        .route("/-/user/{id}", put(login::put))
        .route("/-/user/token/{token}", delete(tokens::log_out))
        .route("/-/npm/v1/user", get(profile::get).post(profile::set))
        .route("/-/npm/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/-/npm/v1/tokens/token/{key}", delete(tokens::revoke))
        .method_not_allowed_fallback(wrong_method)
        .fallback(elsewhere)
        .with_state(Arc::new(service))
        .layer(map_response(private));
    observed(routes, metrics)
}

/// Forbids caches to store an answer, which may contain a name or a token.
async fn private(mut response: Response) -> Response {
    let value = HeaderValue::from_static("private, no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    let value = HeaderValue::from_static("Authorization");
    response.headers_mut().insert(header::VARY, value);
    response
}

async fn ping() -> Answer {
    Answer::ok(json!({}))
}

/// After a 404, the clients fall back to name and password.
async fn web_login() -> Refusal {
    Refusal::not_found("this service has no browser login; use a name and a password")
}

async fn wrong_method(method: Method) -> Refusal {
    Refusal::wrong_method(format!("this route does not support {method}"))
}

async fn elsewhere(uri: Uri) -> Refusal {
    let package = if uri.path().starts_with("/-/") { "" } else { ", not packages" };
    Refusal::not_found(format!("this service handles only logins{package}: no such route"))
}
