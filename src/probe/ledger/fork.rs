//! Fork and checkpoint.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
