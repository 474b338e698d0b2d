//! Keys and tokens.

use crate::exit_code::ExitCode;
use demo_sqld::{Error, pem};

use super::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    let hint = match error {
        Error::Pem { .. } => return ExitCode::Input.into(),
        Error::PrivateKey { place, .. } => format!(
            "an Ed25519 key is needed: run `demo setup --force` to make a new one, or \
             `openssl genpkey -algorithm ed25519 -out {place}`"
        ),
        Error::Passphrase { place, .. } => {
            format!("run `openssl pkey -in {place}` to print it without a passphrase")
        }
        Error::PublicKey { .. } => {
            "an Ed25519 public key is needed: run `openssl pkey -in KEY -pubout` for that of a \
             private key, or `demo setup --force` for a new pair"
                .to_owned()
        }
        Error::WhiteSpace { .. } => {
            "write the 43 characters without a newline, for example with `printf %s`".to_owned()
        }
        Error::TextBefore { .. } => {
            format!("delete the text before `{}PUBLIC KEY-----`", pem::BEGIN)
        }
        Error::NoToken { .. } => {
            "pass a token as `demo token mint` prints it: three parts separated by dots".to_owned()
        }
        Error::Unsigned(_) => return ExitCode::Failed.into(),
    };
    Advice::hint(ExitCode::Input, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_hint() {
        let place = || "k".to_owned();
        for (error, hint) in [
            (Error::PrivateKey { place: place(), says: String::new() }, "ed25519 -out k`"),
            (Error::Passphrase { place: place(), found: String::new() }, "pkey -in k`"),
            (Error::PublicKey { place: place(), says: String::new() }, "-pubout`"),
            (Error::WhiteSpace { place: place() }, "`printf %s`"),
            (Error::TextBefore { place: place() }, "`-----BEGIN PUBLIC KEY-----`"),
            (Error::NoToken { why: String::new() }, "`demo token mint`"),
        ] {
            let advice = advice(&error);
            assert_eq!(advice.code, ExitCode::Input, "{error}");
            assert!(advice.hint.is_some_and(|text| text.contains(hint)), "{error}");
        }
    }
}
