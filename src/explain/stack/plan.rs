//! Plans of a stack.

use crate::exit_code::ExitCode;
use demo_stack::plan::Error;

use crate::explain::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::Unsupported { .. } => Advice::hint(
            ExitCode::Input,
            "change the compose file; docs/architecture.md lists what the engines support",
        ),
        Error::OpenPort { published, target, .. } => {
            Advice::hint(ExitCode::Input, format!("write 127.0.0.1:{published}:{target}"))
        }
        Error::NotARestartPolicy { .. } => Advice::hint(
            ExitCode::Input,
            "write no, always, unless-stopped, on-failure or on-failure:NUMBER",
        ),
        Error::NeedsContainer { .. } => Advice::hint(
            ExitCode::Input,
            "the native engine runs only sqld; `--engine docker` runs any image",
        ),
        Error::NoService { services, .. } => Advice::hint(
            ExitCode::NotFound,
            format!("the compose files have: {}", services.join(", ")),
        ),
        Error::Unpublished { .. } => ExitCode::Input.into(),
    }
}
