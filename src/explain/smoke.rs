//! The scenarios.

use demo_base::exit_code::ExitCode;
use demo_smoke::Error;

use super::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::Experiment { .. } => ExitCode::Failed.into(),
        Error::NoHostFolder { .. } => ExitCode::Input.into(),
    }
}
