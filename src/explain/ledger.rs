//! The probes.

use crate::exit_code::ExitCode;
use demo_ledger::Error;

use super::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::Experiment { .. } => ExitCode::Failed.into(),
        Error::NoBinary => Advice::hint(ExitCode::Input, "use --engine native"),
        Error::Layout { .. } => ExitCode::Input.into(),
        Error::NotMounted { .. } => ExitCode::NotFound.into(),
        Error::ExpectationsUnreadable { .. } | Error::ExpectationsVersion { .. } => {
            Advice::hint(ExitCode::Input, "`demo probe --update-expectations` writes it anew")
        }
    }
}
