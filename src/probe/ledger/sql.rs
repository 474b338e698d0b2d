//! The SQL that the server takes, and its sizes.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
