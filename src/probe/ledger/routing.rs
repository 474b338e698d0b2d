//! How a request finds its namespace.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
