//! What every long-running service of `demo` has in common: a listener with
//! deadlines and a graceful end, TLS, problem bodies, metrics, limits.
//!
//! A service (`mint`, `gate`, `auth`) says where and how it listens with
//! [`listen::Listen`], builds an [`axum::Router`] and hands it to
//! [`listen::Listening::serve`]. Nothing here knows what the services do.

pub mod connections;
pub mod cores;
pub mod descriptors;
pub mod file_watch;
pub mod limits;
pub mod listen;
pub mod observe;
pub mod peer;
pub mod problem;
pub mod runtime;
pub mod seldom;
pub mod server;
pub mod tls;
