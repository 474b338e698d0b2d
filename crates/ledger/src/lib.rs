//! Every claim about the server, executable.
//!
//! A probe is one block in a list `PROBES` of a file under `entries/`: what is
//! claimed and by whom, why it matters, what to do about it, and right below, the
//! check that looks at a real server and returns what it saw. Nothing else has to
//! change to add one, except the file of expectations (`--update-expectations`).
//!
//! Several show weaknesses of the server. They run only against servers that
//! this run has started on loopback; nothing can aim them elsewhere.

mod context;
mod entries;
mod error;
pub mod expectations;
pub mod gate_audit;
mod observation;
pub mod report;
mod runner;

use futures::future::LocalBoxFuture;
use serde::Serialize;

pub use self::context::{Ended, ProbeContext, within};
pub use self::entries::probes;
pub use self::error::Error;
pub use self::observation::{Observation, Verdict};
pub use self::runner::{Event, Outcome, Run, run};
use demo_base::choice::Choice;
use demo_base::error::Result;
use demo_stack::state::EngineKind;

/// One claim.
pub struct Probe {
    /// Stable, unique, in kebab case.
    pub id: &'static str,
    /// One sentence.
    pub claim: &'static str,
    /// Document and section, issue number, or "assumption".
    pub source: &'static str,
    pub area: Area,
    /// Why a self-hoster should care.
    pub why: &'static str,
    /// What to do about it; "none known" if there is nothing.
    pub mitigation: &'static str,
    /// How it is checked, for a person.
    pub how: &'static str,
    pub engines: Engines,
    /// Written `&Probe::check(async |context| …)`.
    pub check: &'static dyn Check,
}

/// Looks at a server of the context's.
pub trait Check {
    /// # Errors
    /// When the claim cannot be decided.
    fn run<'a>(&'a self, context: &'a ProbeContext<'a>) -> LocalBoxFuture<'a, Result<Observation>>;
}

impl<F: AsyncFn(&ProbeContext<'_>) -> Result<Observation>> Check for F {
    fn run<'a>(&'a self, context: &'a ProbeContext<'a>) -> LocalBoxFuture<'a, Result<Observation>> {
        Box::pin(self(context))
    }
}

/// Where a probe belongs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    Security,
    Lifecycle,
    Replication,
    HttpAndSql,
    Client,
    Operations,
}

/// On which engines a probe makes sense.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Engines {
    Both,
    /// With the reason why not on Docker.
    NativeOnly(&'static str),
}

impl Choice for Area {
    /// In the order of the report.
    const ALL: &'static [Self] = &[
        Self::Security,
        Self::Lifecycle,
        Self::Replication,
        Self::HttpAndSql,
        Self::Client,
        Self::Operations,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Lifecycle => "lifecycle",
            Self::Replication => "replication",
            Self::HttpAndSql => "http-and-sql",
            Self::Client => "client",
            Self::Operations => "operations",
        }
    }
}

impl Probe {
    /// Returns `check` unchanged; its bound spares the closure its types.
    pub const fn check<F: AsyncFn(&ProbeContext<'_>) -> Result<Observation>>(check: F) -> F {
        check
    }

    /// Why the probe is left out on this engine, if it is.
    pub fn left_out(&self, engine: EngineKind) -> Option<&'static str> {
        match (self.engines, engine) {
            (Engines::NativeOnly(reason), EngineKind::Docker) => Some(reason),
            _ => None,
        }
    }
}

/// Everything of a probe but its check.
#[derive(Debug, Serialize)]
pub struct Entry {
    pub id: &'static str,
    pub area: Area,
    pub claim: &'static str,
    pub source: &'static str,
    pub why: &'static str,
    pub mitigation: &'static str,
    pub how: &'static str,
    pub not_on_docker: Option<&'static str>,
}

impl From<&Probe> for Entry {
    fn from(probe: &Probe) -> Self {
        Self {
            id: probe.id,
            area: probe.area,
            claim: probe.claim,
            source: probe.source,
            why: probe.why,
            mitigation: probe.mitigation,
            how: probe.how,
            not_on_docker: probe.left_out(EngineKind::Docker),
        }
    }
}

#[cfg(test)]
mod tests;
