//! TLS between primary and replica.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
