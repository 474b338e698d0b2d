//! Tenants.

use crate::exit_code::ExitCode;
use demo_tenant::Error;

use super::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::Missing { .. } => {
            Advice::hint(ExitCode::NotFound, "list the existing tenants with `demo tenant list`")
        }
        Error::Exists { .. } => Advice::hint(
            ExitCode::Failed,
            "with --if-missing this is a success, and a schema that an interrupted run has not \
             applied is applied",
        ),
        Error::Remains { name, .. } => Advice::hint(
            ExitCode::Failed,
            format!("finish its removal with `demo tenant drop {name} --yes`"),
        ),
        Error::Followed { replica, .. } => Advice::hint(
            ExitCode::Failed,
            format!("run `demo restart {replica}`, then the same command again"),
        ),
        Error::DamagedRegistry { .. } => Advice::hint(
            ExitCode::Input,
            "remove the file: it only has names for `demo tenant list`",
        ),
        Error::KeyRefused => Advice::hint(
            ExitCode::Rejected,
            "set LIBSQL_ADMIN_AUTH_KEY to the key that the server was started with",
        ),
        Error::NoMetrics { .. } => ExitCode::Failed.into(),
    }
}
