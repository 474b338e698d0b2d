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

/// Each file's list, in the order of the report.
const ALL: &[&[Probe]] = &[
    tokens::PROBES,
    tokens::lifetime::PROBES,
    tokens::guides::PROBES,
    grpc::PROBES,
    grpc::own_key::PROBES,
    grpc::headers::PROBES,
    grpc::clients::PROBES,
    grpc::strangers::PROBES,
    grpc::restart::PROBES,
    namespace_keys::PROBES,
    namespace_keys::claims::PROBES,
    namespace_keys::replicas::PROBES,
    namespace_keys::attach::PROBES,
    names::PROBES,
    names::paths::PROBES,
    admin_api::PROBES,
    admin_api::config::PROBES,
    http_auth::PROBES,
    http_auth::key_files::PROBES,
    fork::PROBES,
    dump::PROBES,
    dump::schema::PROBES,
    recovery::files::PROBES,
    recovery::metastore::PROBES,
    recovery::files::ENCRYPTION,
    limits::active::PROBES,
    limits::connections::PROBES,
    limits::settings::PROBES,
    following::namespaces::PROBES,
    following::deleted::PROBES,
    following::interfaces::PROBES,
    consistency::reads::PROBES,
    consistency::outage::PROBES,
    tls::wire::PROBES,
    tls::replicas::PROBES,
    tls::startup::PROBES,
    image::PROBES,
    routing::PROBES,
    http_api::batch::PROBES,
    http_api::streams::PROBES,
    http_api::websocket::PROBES,
    sql::files::PROBES,
    sql::coverage::PROBES,
    sql::reach::PROBES,
    sql::crash::PROBES,
    client::PROBES,
    embedded::access::PROBES,
    embedded::files::PROBES,
    embedded::outages::PROBES,
    operations::PROBES,
];

/// Every probe, in the order of the files.
pub fn probes() -> impl Iterator<Item = &'static Probe> {
    ALL.iter().copied().flatten()
}
