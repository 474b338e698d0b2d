//! The `libsql` crate as an embedded replica.
//!
//! The crate is built without its feature `sync`: with it, `build()` first asks
//! the server for `/info`, token included. `new_synced_database` needs it, so
//! of offline writes only the server's half is shown here.

pub(super) mod access;
pub(super) mod files;
pub(super) mod outages;
pub(super) mod support;
