//! The HTTP API's answers.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
