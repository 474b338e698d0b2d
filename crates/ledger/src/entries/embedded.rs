//! The `libsql` crate as an embedded replica.
//!
//! The crate is built without its feature `sync`: with it, `build()` first asks
//! the server for `/info`, token included. `new_synced_database` needs it, so
//! of offline writes only the server's half is shown here.

mod access;
mod files;
mod outages;
pub(super) mod support;

use crate::Probe;

pub(super) const PROBES: &[Probe] = &[
    access::SCOPED_TOKEN,
    access::REFUSED_TOKEN,
    access::NAMESPACE,
    access::NAMESPACE_OF_HOST,
    access::REPLICA_NODE,
    access::OWN_WRITES,
    files::PLAIN_FILE,
    files::LOCAL_CHANGE,
    outages::OFFLINE_OPEN,
    outages::OFFLINE_WRITES,
    outages::RECREATED,
    outages::KILLED,
    outages::BACKGROUND,
];
