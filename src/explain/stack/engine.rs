//! Engines, and the servers that they run.

use crate::exit_code::ExitCode;
use demo_stack::engine::native::confinement::SERVER_USER;
use demo_stack::engine::{Error, PortInUse};
use demo_stack::plan::Interface;

use crate::explain::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::PortInUse(error) => port_in_use(error),
        Error::MountMissing { .. } => {
            Advice::hint(ExitCode::NotFound, "run `demo setup` to make keys and certificates")
        }
        Error::NoHealthPort { .. } => Advice::hint(
            ExitCode::Input,
            "publish it, since demo asks /health there whether the service is ready",
        ),
        Error::NoServer => Advice::hint(ExitCode::NotFound, "run `demo sqld install`"),
        Error::NotSeparate { .. } => {
            Advice::hint(ExitCode::Input, "mount a separate folder, such as ./.local/data/primary")
        }
        Error::Unwritable { folder, .. } => Advice::hint(
            ExitCode::Input,
            format!(
                "a server started by root or Docker wrote it as user {SERVER_USER}; run `sudo \
                 chown -R $(id -u):$(id -g) {}` to get it back",
                folder.display()
            ),
        ),
        Error::Unconfined { .. } => Advice::hint(
            ExitCode::Failed,
            "run demo as a user other than root; its servers then run as that user",
        ),
        Error::NoAccess { .. } | Error::NoProgram | Error::NotOnThisPlatform(_) => {
            ExitCode::Input.into()
        }
        Error::Ended { .. }
        | Error::NotReady { .. }
        | Error::Owned { .. }
        | Error::NoExecutable(_)
        | Error::NoFreePort(_)
        | Error::Refused { .. }
        | Error::PidFileHeld { .. }
        | Error::StillRuns { .. }
        | Error::OwnerEnded => ExitCode::Failed.into(),
    }
}

fn port_in_use(error: &PortInUse) -> Advice {
    match error {
        PortInUse::Program { service, interface, .. } => Advice::hint(
            ExitCode::Input,
            format!("stop it, or {}", other_port(service, *interface)),
        ),
        PortInUse::Container { container, service, interface, .. } => Advice::hint(
            ExitCode::Input,
            format!("run `docker stop {container}`, or {}", other_port(service, *interface)),
        ),
        PortInUse::Docker { .. } | PortInUse::Server { .. } => ExitCode::Failed.into(),
    }
}

/// How to make a service publish another port.
fn other_port(service: &str, interface: Option<Interface>) -> String {
    match interface {
        Some(interface) => {
            let variable = format!("{service}_{interface}_PORT").to_uppercase();
            format!("set {variable} in .env")
        }
        None => "publish another port in the compose file".to_owned(),
    }
}
