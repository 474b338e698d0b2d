//! One file for each scenario; `smoke::scenarios` lists them.

pub mod default_replication;
pub mod embedded_replica;
pub mod namespace_replica;
pub mod namespaces;
pub mod shared_login;
pub mod tls_replication;
