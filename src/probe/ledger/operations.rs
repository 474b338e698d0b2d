//! What an operator meets.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
