//! What every long-running service of `demo` has in common: a listener with
//! deadlines and a graceful end, TLS, problem bodies, metrics, limits, logs.
//!
//! A service (`mint`, `gate`, `auth`) builds an [`axum::Router`] and hands it to
//! [`server::serve`]. Nothing here knows what the services do.

pub mod cores;
pub mod limits;
pub mod logs;
pub mod observe;
pub mod peer;
pub mod problem;
pub mod runtime;
pub mod server;
pub mod tls;
