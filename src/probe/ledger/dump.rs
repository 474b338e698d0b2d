//! Dumps, and namespaces made from them.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
