//! Files, locks and waiting.

use crate::exit_code::ExitCode;
use demo_base::Error;

use super::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::Missing { .. } => ExitCode::NotFound.into(),
        Error::Unreadable { .. } | Error::Unlockable { .. } => ExitCode::Input.into(),
        Error::Unwritable { .. } => Advice::hint(
            ExitCode::Input,
            "make the folder writable, or choose another with --project-dir",
        ),
        Error::SymbolicLink { .. } => Advice::hint(
            ExitCode::Input,
            "nothing was stopped or removed; remove the link (`rm`), and its target by hand if \
             it is not needed",
        ),
        Error::Deadline { .. } | Error::NoRandomBytes(_) => ExitCode::Failed.into(),
        Error::Interrupted => ExitCode::Interrupted.into(),
    }
}
