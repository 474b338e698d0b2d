//! The configuration of the gate.

use crate::exit_code::ExitCode;
use demo_gate::Error;

use super::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::EmptyName { .. } => ExitCode::Input.into(),
    }
}
