//! The probes, one file for each subject.

mod admin_api;
mod client;
mod consistency;
mod dump;
mod embedded;
mod following;
mod fork;
mod grpc;
mod http_api;
mod http_auth;
mod image;
mod limits;
mod names;
mod namespace_keys;
mod operations;
mod recovery;
mod routing;
mod sql;
pub mod through_gate;
mod tls;
mod tokens;
mod websocket;

use super::Probe;

/// In the order of the report.
const ALL: &[&[Probe]] = &[
    tokens::PROBES,
    grpc::PROBES,
    namespace_keys::PROBES,
    names::PROBES,
    admin_api::PROBES,
    http_auth::PROBES,
    fork::PROBES,
    dump::PROBES,
    dump::schema::PROBES,
    recovery::PROBES,
    limits::PROBES,
    following::PROBES,
    consistency::PROBES,
    tls::PROBES,
    image::PROBES,
    routing::PROBES,
    http_api::PROBES,
    sql::PROBES,
    sql::reach::PROBES,
    sql::crash::PROBES,
    client::PROBES,
    embedded::PROBES,
    operations::PROBES,
];

/// Every probe, in the order of the files.
pub fn probes() -> impl Iterator<Item = &'static Probe> {
    ALL.iter().copied().flatten()
}
