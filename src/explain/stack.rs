//! Stacks: their credentials, plans, record and engines.

mod credentials;
mod docker;
mod engine;
mod plan;
mod state;

use std::error::Error as StdError;

use super::Advice;

pub(super) fn advice(cause: &(dyn StdError + 'static)) -> Option<Advice> {
    let credentials = cause.downcast_ref().map(credentials::advice);
    credentials
        .or_else(|| cause.downcast_ref().map(plan::advice))
        .or_else(|| cause.downcast_ref().map(state::advice))
        .or_else(|| cause.downcast_ref().map(engine::advice))
        .or_else(|| cause.downcast_ref().map(docker::advice))
}

#[cfg(test)]
mod tests {
    use crate::exit_code::ExitCode;
    use demo_stack::engine::{self, PortInUse, docker};
    use demo_stack::plan::{self, Interface};
    use demo_stack::{credentials, state};

    use crate::explain::Diagnosis;

    #[test]
    fn every_error_type_of_a_stack_has_advice() {
        let public = "jwt.pub".into();
        let no_pem = demo_sqld::pem::blocks("", "c.pem").err().unwrap();
        let port = |interface| PortInUse::Program {
            port: 7,
            program: "another program".to_owned(),
            service: "primary".to_owned(),
            interface,
        };
        let table: [(anyhow::Error, ExitCode, &str); 9] = [
            (
                credentials::Error::Untrusted { public, private: "jwt.key".into() }.into(),
                ExitCode::Input,
                "openssl pkey -in jwt.key -pubout >> jwt.pub",
            ),
            (
                credentials::Error::UnknownKey { thumbprint: "x".to_owned() }.into(),
                ExitCode::NotFound,
                "demo keys show",
            ),
            (
                credentials::Error::NotPem(no_pem).into(),
                ExitCode::Input,
                "demo certs generate --force",
            ),
            (
                plan::Error::NoService {
                    name: "x".to_owned(),
                    services: vec!["primary".to_owned(), "replica".to_owned()],
                }
                .into(),
                ExitCode::NotFound,
                "the compose files have: primary, replica",
            ),
            (
                state::Error::Version { path: "state.json".into(), version: 99 }.into(),
                ExitCode::Input,
                "use the demo that started the stack",
            ),
            (
                engine::Error::from(port(Some(Interface::Grpc))).into(),
                ExitCode::Input,
                "stop it, or set PRIMARY_GRPC_PORT in .env",
            ),
            (
                engine::Error::from(port(None)).into(),
                ExitCode::Input,
                "publish another port in the compose file",
            ),
            (
                docker::Error::Silent { url: "unix:///x".to_owned() }.into(),
                ExitCode::Unreachable,
                "restart the daemon",
            ),
            (
                docker::Error::DiskFull { request: "start".to_owned(), source: "full".into() }
                    .into(),
                ExitCode::Failed,
                "docker system df",
            ),
        ];
        for (error, code, hint) in table {
            let found = Diagnosis::of(&error);
            assert_eq!(found.code, code, "{error:?}");
            assert!(found.hint.as_ref().is_some_and(|said| said.contains(hint)), "{found:?}");
        }
    }
}
