//! One file for each scenario.

mod default_replication;
mod embedded_replica;
mod namespace_replica;
mod namespaces;
mod shared_login;
mod tls_replication;

use crate::Scenario;

/// All scenarios, in the order of the report.
pub const ALL: &[Scenario] = &[
    default_replication::SCENARIO,
    namespaces::SCENARIO,
    namespace_replica::SCENARIO,
    tls_replication::SCENARIO,
    embedded_replica::SCENARIO,
    shared_login::SCENARIO,
];
