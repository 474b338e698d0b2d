//! The record of the standing stack.

use crate::exit_code::ExitCode;
use demo_stack::state::Error;

use crate::explain::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::Damaged { .. } => Advice::hint(
            ExitCode::Input,
            "run `demo cleanup` to stop what runs and remove the state",
        ),
        Error::Version { .. } => Advice::hint(
            ExitCode::Input,
            "use the demo that started the stack, or run `demo cleanup`",
        ),
    }
}
