//! Runs probes side by side, each with its deadline.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use serde::Serialize;

use super::{Entry, Observation, Probe, ProbeContext};
use demo_stack::engine::ephemeral::EphemeralStacks;

/// A probe that takes longer is undecided.
const DEADLINE: Duration = Duration::from_secs(40);

/// What to run, and how.
pub struct Run<'a> {
    pub probes: Vec<&'static Probe>,
    pub stacks: &'a EphemeralStacks,
    /// Probes at once.
    pub jobs: usize,
}

/// What became of one probe.
#[derive(Debug, Serialize)]
pub struct Outcome {
    #[serde(flatten)]
    pub entry: Entry,
    /// `None`: it could not be decided; see `error`.
    pub observation: Option<Observation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub took_seconds: f64,
}

/// What happens during a run.
pub enum Event<'a> {
    /// A probe starts.
    Started(&'a Probe),
    /// A probe has seen what it wanted to see.
    Finished(&'a Outcome),
}

/// Runs the probes; the outcomes are in the order of the ledger. The caller
/// closes the stacks.
pub async fn run(run: &Run<'_>, hear: impl Fn(Event<'_>)) -> Vec<Outcome> {
    let context = ProbeContext::new(run.stacks);
    let (context, hear) = (&context, &hear);
    let one = async |probe: &'static Probe| {
        hear(Event::Started(probe));
        let since = Instant::now();
        let seen = tokio::time::timeout(DEADLINE, probe.check.run(context)).await;
        let (observation, error) = match seen {
            Ok(Ok(observation)) => (Some(observation), None),
            Ok(Err(error)) => (None, Some(format!("{error:#}"))),
            Err(_elapsed) => (None, Some(format!("not decided after {} s", DEADLINE.as_secs()))),
        };
        let took_seconds = (since.elapsed().as_secs_f64() * 1e3).round() / 1e3;
        let outcome = Outcome { entry: probe.into(), observation, error, took_seconds };
        hear(Event::Finished(&outcome));
        outcome
    };
    stream::iter(run.probes.iter().copied().map(one)).buffered(run.jobs).collect().await
}
