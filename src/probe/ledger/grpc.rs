//! The gRPC port, which replicas use.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
