//! The Docker engine.

use crate::exit_code::ExitCode;
use demo_stack::engine::docker::{Error, Unreachable};

use crate::explain::Advice;

const OTHER_IMAGE: &str =
    "build one with `demo image build --base BASE`, or set LIBSQL_IMAGE to another image";

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::NoContext { .. } => Advice::hint(
            ExitCode::Input,
            "run `docker context ls` to list them, or set DOCKER_HOST",
        ),
        Error::Unreachable { reason, .. } => Advice::hint(ExitCode::Unreachable, remedy(*reason)),
        Error::Silent { .. } => {
            Advice::hint(ExitCode::Unreachable, "restart the daemon, or use `--engine native`")
        }
        Error::Lost { .. } => Advice::hint(
            ExitCode::Unreachable,
            "restart the daemon, then run `demo cleanup` to remove what is left",
        ),
        Error::DiskFull { .. } => {
            Advice::hint(ExitCode::Failed, "run `docker system df` to see what uses the space")
        }
        Error::Refused { .. } | Error::Contradiction { .. } => ExitCode::Failed.into(),
        Error::NoImage { .. } => {
            Advice::hint(ExitCode::Input, "add one, or use `--engine native`, which needs no image")
        }
        Error::Unpinned { .. } => Advice::hint(ExitCode::Input, OTHER_IMAGE),
        Error::NotPulled { .. } => Advice::hint(ExitCode::Unreachable, OTHER_IMAGE),
        Error::ImagePlatform { found, wanted, .. } => Advice::hint(
            ExitCode::Input,
            format!("set LIBSQL_PLATFORM={found}, or use an image for {wanted}"),
        ),
        Error::BasePlatform { wanted, .. } => {
            Advice::hint(ExitCode::Input, format!("pass a base image for {wanted}"))
        }
        Error::NoContainersOf { .. } => {
            Advice::hint(ExitCode::Input, "use --platform linux-arm64 or --platform linux-x64")
        }
        Error::ForeignContainer { name } => Advice::hint(
            ExitCode::Input,
            format!("inspect it with `docker inspect {name}`, then rename or remove it"),
        ),
        Error::ForeignNetwork { name } => Advice::hint(
            ExitCode::Input,
            format!("run `docker network rm {name}`, or change `name:` in the compose file"),
        ),
        Error::NoContainer { .. } => ExitCode::NotFound.into(),
        Error::BehindLink { .. } => Advice::hint(
            ExitCode::Input,
            "remove it by hand, since demo does not follow links out of its folder",
        ),
        Error::NoServerImage => Advice::hint(ExitCode::Failed, "remove .local/data as root"),
    }
}

fn remedy(reason: Unreachable) -> &'static str {
    match reason {
        Unreachable::Permission => {
            "join the group `docker` (`sudo usermod -aG docker $USER`, then log in again), or use \
             `--engine native`"
        }
        Unreachable::Scheme => {
            "demo supports unix:// and tcp://; forward the socket, or use `--engine native`"
        }
        Unreachable::Absent => "start Docker, or use `--engine native`",
    }
}
