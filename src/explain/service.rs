//! The listeners of the services.

use crate::exit_code::ExitCode;
use demo_service::Error;

use super::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::Plaintext { .. } => Advice::hint(
            ExitCode::Input,
            "add `tls: {certificate: FILE, key: FILE}` to the configuration file, or \
             `plaintext: true` if a proxy in front of the service provides TLS",
        ),
        Error::PlaintextAdmin { .. } => Advice::hint(
            ExitCode::Input,
            "use 127.0.0.1, or add `plaintext: true` to the configuration file if only trusted \
             machines can connect to it",
        ),
        Error::AddressUnusable { .. } => {
            Advice::hint(ExitCode::Input, "choose another address with --listen")
        }
        Error::NoPem { .. } | Error::Mismatched { .. } => ExitCode::Input.into(),
        Error::Panicked => ExitCode::Failed.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_address_that_is_in_use_is_bad_input() {
        let address = ([127, 0, 0, 1], 1).into();
        let advice =
            advice(&Error::AddressUnusable { address, source: io::Error::other("in use") });
        assert_eq!(advice.code, ExitCode::Input);
        assert!(advice.hint.is_some_and(|hint| hint.contains("--listen")));
    }
}
