//! What all long-running services of `demo` share: a listener with deadlines and a
//! graceful shutdown, TLS, problem bodies, metrics and limits.
//!
//! A service (`mint`, `gate`, `auth`) describes where and how it listens with
//! [`listen::Listen`], builds an [`axum::Router`] and passes it to
//! [`listen::Listening::serve`]. This crate does not know what the services do.

pub mod bearer;
pub mod connections;
pub mod cores;
pub mod descriptors;
pub mod error;
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

pub use error::Error;
