//! The token mint.

use crate::exit_code::ExitCode;
use demo_mint::Error;

use super::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::Setting { .. } | Error::IssuerAddress { .. } => ExitCode::Input.into(),
        Error::IssuerAway { .. } => {
            Advice::hint(ExitCode::Unreachable, "`demo mint check --offline` checks only the files")
        }
        Error::NoIssuerKeys { .. } => Advice::hint(
            ExitCode::Input,
            "correct `login` in the file: without a key, every login fails",
        ),
        Error::Schema { .. } => {
            Advice::hint(ExitCode::Input, "use statements that run on an empty database")
        }
    }
}
