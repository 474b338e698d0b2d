//! What an error means for the person at the command line: the exit code, the message, its causes
//! and the next step.
//!
//! The crates under `crates/` say what happened, each in an error type of its own. What to do about
//! it is decided here alone, because only this crate knows the commands and their options. There is
//! one submodule for each crate; a new variant of an error does not compile until it has an exit
//! code.

mod base;
mod compose;
mod config;
mod gate;
mod ledger;
mod login;
mod mint;
mod service;
mod smoke;
mod sqld;
mod sqld_client;
mod sqld_dist;
mod stack;
mod tenant;

use std::error::Error as StdError;

use crate::exit_code::ExitCode;
use crate::fault::Fault;
use demo_base::error::messages;

/// An error, ready to print.
#[derive(Debug, Eq, PartialEq)]
pub struct Diagnosis {
    /// That of the outermost error that has advice, or `Failed` without one.
    pub code: ExitCode,
    /// The `error:` line.
    pub message: String,
    /// The `caused by:` lines, outermost first, without repetitions.
    pub causes: Vec<String>,
    /// The outermost hint.
    pub hint: Option<String>,
}

impl Diagnosis {
    /// Reads the chain of `error`, outermost first.
    pub fn of(error: &anyhow::Error) -> Self {
        let mut causes = messages(error);
        let message = if causes.is_empty() { "unknown error".into() } else { causes.remove(0) };
        let advice: Vec<Advice> = error.chain().filter_map(advice).collect();
        Self {
            code: advice.first().map_or(ExitCode::Failed, |advice| advice.code),
            message,
            causes,
            hint: advice.into_iter().find_map(|advice| advice.hint),
        }
    }
}

/// What one error of a chain means, without what is above and below it.
struct Advice {
    code: ExitCode,
    hint: Option<String>,
}

impl Advice {
    fn hint(code: ExitCode, hint: impl Into<String>) -> Self {
        Self { code, hint: Some(hint.into()) }
    }
}

/// For an error that needs no hint.
impl From<ExitCode> for Advice {
    fn from(code: ExitCode) -> Self {
        Self { code, hint: None }
    }
}

type Explain = fn(&(dyn StdError + 'static)) -> Option<Advice>;

/// One for each crate; an error has exactly one type, so their order does not matter.
const CRATES: &[Explain] = &[
    |cause| cause.downcast_ref().map(own),
    |cause| cause.downcast_ref().map(base::advice),
    |cause| cause.downcast_ref().map(compose::advice),
    |cause| cause.downcast_ref().map(config::advice),
    |cause| cause.downcast_ref().map(gate::advice),
    |cause| cause.downcast_ref().map(ledger::advice),
    |cause| cause.downcast_ref().map(login::advice),
    |cause| cause.downcast_ref().map(mint::advice),
    |cause| cause.downcast_ref().map(service::advice),
    |cause| cause.downcast_ref().map(smoke::advice),
    |cause| cause.downcast_ref().map(sqld::advice),
    |cause| cause.downcast_ref().map(sqld_client::advice),
    |cause| cause.downcast_ref().map(sqld_dist::advice),
    stack::advice,
    |cause| cause.downcast_ref().map(tenant::advice),
];

fn own(fault: &Fault) -> Advice {
    Advice { code: fault.code(), hint: fault.hint_text().map(str::to_owned) }
}

fn advice(cause: &(dyn StdError + 'static)) -> Option<Advice> {
    CRATES.iter().find_map(|explain| explain(cause))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use anyhow::Context;
    use demo_base::Error;

    use super::*;

    #[test]
    fn the_outermost_error_with_advice_decides() {
        let missing = Error::Missing { what: "token file".to_owned(), path: PathBuf::from("x") };
        let error = Err::<(), _>(missing).context("reading the options").unwrap_err();
        let diagnosis = Diagnosis::of(&error);
        assert_eq!(diagnosis.code, ExitCode::NotFound);
        assert_eq!(diagnosis.message, "reading the options");
        assert_eq!(diagnosis.causes, ["there is no token file at x"]);
        assert_eq!(diagnosis.hint, None);
    }

    #[test]
    fn a_cause_that_only_repeats_is_left_out() {
        let error = Err::<(), _>(io::Error::other("disk full"))
            .context("cannot write x: disk full")
            .unwrap_err();
        let diagnosis = Diagnosis::of(&error);
        assert!(diagnosis.causes.is_empty());
        assert_eq!(diagnosis.code, ExitCode::Failed);
    }
}
