//! The `libsql` crate as an embedded replica.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
