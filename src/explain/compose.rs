//! What a set of compose files says together.

use crate::exit_code::ExitCode;
use demo_compose::Error;

use super::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    match error {
        Error::NoFile => ExitCode::Input.into(),
        Error::ProjectName { .. } => Advice::hint(
            ExitCode::Input,
            "use lower-case letters, digits, `-` and `_`, and start with a letter or a digit",
        ),
        Error::Circle { .. } => {
            Advice::hint(ExitCode::Input, "remove one of these from `depends_on`")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_hint() {
        let name = Error::ProjectName { origin: "a.yml".to_owned(), name: "A".to_owned() };
        for (error, hint) in
            [(name, "lower-case letters"), (Error::Circle { circle: Vec::new() }, "`depends_on`")]
        {
            let advice = advice(&error);
            assert_eq!(advice.code, ExitCode::Input, "{error}");
            assert!(advice.hint.is_some_and(|text| text.contains(hint)), "{error}");
        }
    }
}
