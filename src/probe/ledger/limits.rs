//! What the server bounds, and what it does at the bound.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
