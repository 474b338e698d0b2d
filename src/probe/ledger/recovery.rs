//! After a crash, a loss or a restore.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
