//! Names of namespaces.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
