//! The scenarios.

use crate::exit_code::ExitCode;
use demo_smoke::Error;

use super::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::Experiment { .. } => ExitCode::Failed.into(),
        Error::NoHostFolder { .. } => ExitCode::Input.into(),
    }
}
