//! The scenarios that must pass on every machine.
//!
//! A scenario is one file under `scenarios/` and two lines in its `mod.rs`. It starts its own
//! stack through its [`Context`] and examines it in named checks. A negative check asserts the
//! answer that it expects; anything else, including a server that is down, is a failed check.

mod context;
mod error;
mod runner;
mod scenarios;

use futures::future::LocalBoxFuture;

pub use self::context::{Context, NamespaceReplica, Seen};
pub use self::error::Error;
pub use self::runner::{Event, Run, run};
use demo_base::error::Result;

/// One scenario.
pub struct Scenario {
    pub name: &'static str,
    /// What it shows, for the documentation.
    pub about: &'static str,
    run: for<'a> fn(&'a Context<'a>) -> LocalBoxFuture<'a, Result<()>>,
}

/// All scenarios, in the order of the report.
pub fn scenarios() -> &'static [Scenario] {
    scenarios::ALL
}
