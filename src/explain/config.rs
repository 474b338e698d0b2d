//! Compose files, the configuration of services, and `.env`.

use crate::exit_code::ExitCode;
use demo_config::Error;
use demo_config::interpolate::Problem;

use super::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    let hint = match error {
        Error::Invalid { help, .. } => help.clone(),
        Error::Unknown { .. } => Some(
            "remove it, or run these files with `docker compose`, since demo refuses what it \
             cannot do"
                .to_owned(),
        ),
        Error::Variable { problem, .. } => match problem {
            Problem::Missing { name, .. } => {
                Some(format!("set {name} in the environment or in .env"))
            }
            Problem::Stray | Problem::Unclosed(_) | Problem::Malformed(_) | Problem::TooDeep => {
                None
            }
        },
    };
    Advice { code: ExitCode::Input, hint }
}

#[cfg(test)]
mod tests {
    use demo_config::place::Place;

    use super::*;

    #[test]
    fn the_hint_says_how_to_write_it() {
        let place = Place::of_file("a.yml");
        let missing = Problem::Missing { name: "KEY".to_owned(), message: String::new() };
        for (error, hint) in [
            (place.invalid("bad"), None),
            (place.invalid_with_help("bad", "quote it"), Some("quote it")),
            (place.unknown("build"), Some("`docker compose`")),
            (Error::Variable { place: place.clone(), problem: missing }, Some("set KEY in")),
            (Error::Variable { place: place.clone(), problem: Problem::Stray }, None),
        ] {
            let advice = advice(&error);
            assert_eq!(advice.code, ExitCode::Input, "{error}");
            assert_eq!(advice.hint.is_some(), hint.is_some(), "{error}");
            assert!(advice.hint.unwrap_or_default().contains(hint.unwrap_or_default()), "{error}");
        }
    }
}
