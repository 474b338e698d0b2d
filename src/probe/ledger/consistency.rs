//! What a replica shows, and when.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
