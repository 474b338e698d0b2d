//! Whether and how a replica follows.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
