//! TLS between primary and replica.

mod certificates;
mod relay;
pub(super) mod replicas;
pub(super) mod startup;
pub(super) mod wire;
