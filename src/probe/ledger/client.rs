//! The `libsql` crate as a remote client.

use crate::probe::Probe;

pub(super) const PROBES: &[Probe] = &[];
