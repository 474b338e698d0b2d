//! Talks to one server: the Hrana and Admin interfaces over HTTP, and the `libsql` crate for
//! embedded replicas.

pub mod admin;
mod client;
pub mod connector;
pub mod embedded;
pub mod endpoint;
mod error;
mod failure;
pub mod hrana;
pub mod http;
pub mod items;
pub mod replication;
pub mod schema;
pub mod table;

pub use libsql_hrana::proto;

pub use self::client::Client;
pub use self::error::{Error, Said};
