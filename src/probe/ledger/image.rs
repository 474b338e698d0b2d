//! The image's entrypoint and the server's variables.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
