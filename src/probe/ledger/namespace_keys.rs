//! Keys and rights of a single namespace.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
