//! After a crash, a loss or a restore.

pub(super) mod files;
pub(super) mod fixtures;
pub(super) mod metastore;
