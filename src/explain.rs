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

use demo_base::error::{Fault, messages};
use demo_base::exit_code::ExitCode;

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

fn advice(cause: &(dyn StdError + 'static)) -> Option<Advice> {
    if let Some(fault) = cause.downcast_ref::<Fault>() {
        return Some(Advice { code: fault.code(), hint: fault.hint_text().map(str::to_owned) });
    }
    let base = cause.downcast_ref().map(base::advice);
    base.or_else(|| cause.downcast_ref().map(compose::advice))
        .or_else(|| cause.downcast_ref().map(config::advice))
        .or_else(|| cause.downcast_ref().map(gate::advice))
        .or_else(|| cause.downcast_ref().map(ledger::advice))
        .or_else(|| cause.downcast_ref().map(login::advice))
        .or_else(|| cause.downcast_ref().map(mint::advice))
        .or_else(|| cause.downcast_ref().map(service::advice))
        .or_else(|| cause.downcast_ref().map(smoke::advice))
        .or_else(|| cause.downcast_ref().map(sqld::advice))
        .or_else(|| cause.downcast_ref().map(sqld_client::advice))
        .or_else(|| cause.downcast_ref().map(sqld_dist::advice))
        .or_else(|| stack::advice(cause))
        .or_else(|| cause.downcast_ref().map(tenant::advice))
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
