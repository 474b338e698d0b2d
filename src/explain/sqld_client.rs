//! What a server answers, and copies of its databases.

use crate::exit_code::ExitCode;
use demo_sqld_client::Error;

use super::Advice;

/// Where the servers of a standing stack, and others, come from.
const START: &str = "start a stack with `demo up`, or pass the URL of a server with `--url`";

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::Unreachable { .. } => Advice::hint(ExitCode::Unreachable, START),
        Error::Silent { .. } | Error::Unwell { .. } => ExitCode::Unreachable.into(),
        Error::TokenRefused { .. } => Advice::hint(
            ExitCode::Rejected,
            "run `demo token inspect` to see what is wrong with it",
        ),
        Error::Forbidden { .. } | Error::ForbiddenByPrimary { .. } => Advice::hint(
            ExitCode::Rejected,
            "run `demo token inspect` to see what the token allows",
        ),
        Error::OtherNamespace { namespace, .. } => Advice::hint(
            ExitCode::Rejected,
            format!("make one with `demo token mint --namespace {namespace}`"),
        ),
        Error::KeyRefused { .. } => Advice::hint(
            ExitCode::Rejected,
            "set LIBSQL_ADMIN_AUTH_KEY to the key that the server was started with",
        ),
        Error::NoNamespace { name, .. } => Advice::hint(
            ExitCode::NotFound,
            format!("create it with `demo namespace create {name}`"),
        ),
        Error::NoSuchNamespace { .. } => {
            Advice::hint(ExitCode::NotFound, "create it with `demo namespace create NAME`")
        }
        Error::NoDefaultNamespace { status, .. } => Advice::hint(
            if *status == 404 { ExitCode::NotFound } else { ExitCode::Input },
            "name one with --namespace, or create one with `demo namespace create NAME`",
        ),
        Error::NamespaceExists { name } => Advice::hint(
            ExitCode::Input,
            format!(
                "a fork would destroy it; choose another name or `demo namespace delete {name}`"
            ),
        ),
        Error::Statement { missing_table, .. } => match missing_table.as_deref() {
            Some("items") => Advice::hint(
                ExitCode::Failed,
                "run `demo init` with the same options to create the table",
            ),
            _ => ExitCode::Failed.into(),
        },
        Error::OtherColumns { .. } => {
            Advice::hint(ExitCode::Failed, "inspect it with `demo sql 'select * from items'`")
        }
        Error::OtherSchema { namespace, .. } => Advice::hint(
            ExitCode::Failed,
            format!("change the schema by hand with `demo sql --namespace {namespace} -`"),
        ),
        Error::Damaged { .. } => {
            Advice::hint(ExitCode::Failed, "run `demo sync` to repair it once the primary answers")
        }
        Error::CopyVanished => {
            Advice::hint(ExitCode::Failed, "run `demo sync` to fetch them again")
        }
        Error::NoSync { .. } => Advice::hint(
            ExitCode::Failed,
            "a proxy in between must let gRPC-web pass: /wal_log.ReplicationLog/",
        ),
        Error::NoCopy { .. } => Advice::hint(
            ExitCode::NotFound,
            "run `demo sync` to make one while the primary answers",
        ),
        Error::AwayWithoutCopy { away, .. } => Advice {
            code: ExitCode::Unreachable,
            hint: advice(away).hint.or_else(|| Some("try again when the primary answers".into())),
        },
        Error::NoServerUrl { .. } => {
            Advice::hint(ExitCode::Input, "write http://127.0.0.1:8080 or https://db.example.com")
        }
        Error::TransactionInSchema { .. } => Advice::hint(
            ExitCode::Input,
            "leave out transaction statements, since everything runs in one transaction",
        ),
        Error::NoSql { .. } | Error::EmptySchema { .. } | Error::NoCertificateName(_) => {
            ExitCode::Input.into()
        }
        Error::Status { .. }
        | Error::UnusableAnswer { .. }
        | Error::HttpClient(_)
        | Error::TrustedRoots(_)
        | Error::CopyWritten => ExitCode::Failed.into(),
    }
}
