//! Whether and how a replica follows.

pub(super) mod deleted;
pub(super) mod interfaces;
pub(super) mod namespaces;
pub(super) mod support;
