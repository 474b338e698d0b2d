//! The login service and its benchmark.

use crate::exit_code::ExitCode;
use demo_login::Error;

use super::{Advice, sqld_client};

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::ManyDatabases { .. } => Advice::hint(
            ExitCode::Input,
            "keep one of them, or remove `backend` to use local files",
        ),
        Error::NoDatabase { .. } => Advice::hint(
            ExitCode::Input,
            "name one of libsql, postgres, mysql, or remove `backend` to use local files",
        ),
        Error::NotBuilt { database, .. } => Advice::hint(
            ExitCode::Input,
            format!("build it with `cargo build --release --features backend-{database}`"),
        ),
        Error::StaleWithoutReplica { .. } => Advice::hint(
            ExitCode::Input,
            "name the file of the embedded replica, or remove the key",
        ),
        Error::UrlScheme { .. } | Error::Unsupported { .. } => ExitCode::Input.into(),
        Error::NewerTables { .. } => {
            Advice::hint(ExitCode::Input, "use the newer `demo` that created them")
        }
        Error::TokenFileDamaged { .. } => Advice::hint(
            ExitCode::Input,
            "restore it, or move it away, after which all users must log in again",
        ),
        Error::UserFileMalformed { .. } => {
            Advice::hint(ExitCode::Input, "correct or remove the line; the file was not changed")
        }
        Error::UserFileUnlockable { .. } => {
            Advice::hint(ExitCode::Input, "make its folder writable")
        }
        Error::ServerSilent { .. } => Advice::hint(
            ExitCode::Unreachable,
            "check that the database of the configuration file is running",
        ),
        Error::Server(error) => server(error),
        Error::ReplicaUnusable { .. } => Advice::hint(
            ExitCode::Input,
            "remove the file and those that belong to it: it is only a copy",
        ),
        Error::ReplicaNotServed { .. } => Advice::hint(
            ExitCode::Unreachable,
            "check that the gRPC routes of the server are reachable over HTTP",
        ),
        Error::ReplicaLate { .. } => ExitCode::Unreachable.into(),
        Error::DatabaseUrl { key } => database(ExitCode::Input, key),
        Error::DatabaseRefuses { key, .. } => database(ExitCode::Rejected, key),
        Error::DatabaseMissing { key, .. } => database(ExitCode::NotFound, key),
        Error::DatabaseSilent { key, .. } => database(ExitCode::Unreachable, key),
        Error::NotRemoved { .. } => Advice::hint(
            ExitCode::Unreachable,
            "delete the user from `auth_users`, and its tokens from `auth_tokens`",
        ),
        Error::StoppedAnswering(_) => {
            Advice::hint(ExitCode::Unreachable, "check that it is running, then measure again")
        }
        Error::StillAccepted { .. } => Advice::hint(
            ExitCode::Failed,
            "the instance does not sync: check that the primary's gRPC routes answer",
        ),
        Error::DamagedNetworks(_)
        | Error::WrongType { .. }
        | Error::WrongToken
        | Error::NotRegistered { .. }
        | Error::NewTokenMissing => ExitCode::Failed.into(),
    }
}

fn database(code: ExitCode, key: &str) -> Advice {
    Advice::hint(code, format!("correct `backend.{key}.url`, or start the database"))
}

/// The server is that of the configuration file, so no option of a command helps.
fn server(error: &demo_sqld_client::Error) -> Advice {
    let advice = sqld_client::advice(error);
    match advice.code {
        ExitCode::Rejected => Advice::hint(advice.code, "correct `backend.libsql.authToken`"),
        ExitCode::NotFound | ExitCode::Input | ExitCode::Unreachable => {
            Advice::hint(advice.code, "correct `backend.libsql.url`, or start the database")
        }
        _ => advice,
    }
}
