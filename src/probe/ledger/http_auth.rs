//! The older `--http-auth`, and what a stranger learns over HTTP.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
