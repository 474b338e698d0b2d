//! Keys, tokens and certificates.

use crate::exit_code::ExitCode;
use demo_stack::credentials::Error;

use crate::explain::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::Missing { .. } => Advice::hint(ExitCode::NotFound, "run `demo setup` to make it"),
        Error::Binary { .. } => Advice::hint(
            ExitCode::Input,
            "convert it to PEM with `openssl`, or run `demo setup --force` to make a new one",
        ),
        Error::Refused { .. } | Error::Unmade { .. } | Error::ClockBefore1970(_) => {
            ExitCode::Failed.into()
        }
        Error::PrivateKeyMissing { .. } => Advice::hint(
            ExitCode::Input,
            "restore the private key, or run `demo setup --force` to make a new pair",
        ),
        Error::Untrusted { public, private } => Advice::hint(
            ExitCode::Input,
            format!(
                "add it with `openssl pkey -in {} -pubout >> {}`, or run `demo setup --force` to \
                 make a new pair",
                private.display(),
                public.display()
            ),
        ),
        Error::UntrustedInRotation { .. } => {
            Advice::hint(ExitCode::Input, "run `demo setup`, which tells how to fix it")
        }
        Error::UnknownKey { .. } => {
            Advice::hint(ExitCode::NotFound, "run `demo keys show` to list them")
        }
        Error::ActiveKey { .. } => {
            Advice::hint(ExitCode::Input, "run `demo keys rotate` first, then drop it")
        }
        Error::DamagedRecord { .. } => Advice::hint(
            ExitCode::Input,
            "remove it; old public keys then stay until `demo keys prune --key` drops them",
        ),
        Error::NoAdminKey { .. } => Advice::hint(
            ExitCode::Input,
            "remove the file, then run `demo up`, which makes a new key",
        ),
        Error::NotPem(_) | Error::NotACertificate { .. } | Error::DamagedCertificate { .. } => {
            Advice::hint(ExitCode::Input, "run `demo certs generate --force` to make a new set")
        }
    }
}
