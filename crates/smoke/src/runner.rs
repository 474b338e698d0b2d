//! Runs scenarios concurrently and builds the report.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use jiff::Timestamp;

use super::{Context, Scenario};
use crate::context::NamespaceReplica;
use demo_base::error::Result;
use demo_report::{Report, SCHEMA, ScenarioReport, Stopped};
use demo_stack::engine::ephemeral::EphemeralStacks;

/// No scenario takes longer, whatever the servers do.
const SCENARIO_DEADLINE: Duration = Duration::from_secs(120);

/// What to run, and how.
pub struct Run<'a> {
    pub scenarios: Vec<&'static Scenario>,
    pub stacks: &'a EphemeralStacks,
    pub namespace_replica: NamespaceReplica,
    /// The number of scenarios to run at once.
    pub jobs: usize,
}

/// What happens during a run.
pub enum Event<'a> {
    /// A scenario begins.
    Started(&'a Scenario),
    /// A scenario has ended, and so have its servers.
    Finished(&'a ScenarioReport),
}

/// Runs the scenarios and calls `hear` for each event.
///
/// # Errors
/// When the servers of a scenario cannot be removed; errors of the scenario itself are in the
/// report.
pub async fn run(run: &Run<'_>, hear: impl Fn(Event<'_>)) -> Result<Report> {
    let started_at = Timestamp::now();
    let since = Instant::now();
    let hear = &hear;
    let one = async |scenario: &'static Scenario| {
        hear(Event::Started(scenario));
        let report = run_scenario(run, scenario).await?;
        hear(Event::Finished(&report));
        Ok::<_, anyhow::Error>(report)
    };
    let mut reports: Vec<ScenarioReport> = Vec::new();
    let mut ended = stream::iter(run.scenarios.iter().copied().map(one)).buffered(run.jobs);
    while let Some(report) = ended.next().await {
        reports.push(report?);
    }
    Ok(Report {
        schema: SCHEMA,
        started_at,
        engine: run.stacks.provider.describe(),
        scenarios: reports,
        took: since.elapsed(),
    })
}

async fn run_scenario(run: &Run<'_>, scenario: &'static Scenario) -> Result<ScenarioReport> {
    let since = Instant::now();
    let context = Context::new(scenario.name, run.stacks, run.namespace_replica);
    let outcome = tokio::time::timeout(SCENARIO_DEADLINE, (scenario.run)(&context)).await;
    let error = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(_elapsed) => Some(format!("not completed within {} s", SCENARIO_DEADLINE.as_secs())),
    };
    let stopped = match error {
        None => None,
        Some(error) => {
            let log = Some(context.last_words().await).filter(|text| !text.is_empty());
            Some(Stopped { error, log })
        }
    };
    let (checks, note, stacks) = context.finish();
    if !run.stacks.keep {
        for stack in &stacks {
            run.stacks.close(stack).await?;
        }
    }
    Ok(ScenarioReport {
        name: scenario.name.to_owned(),
        checks,
        stopped,
        note,
        took: since.elapsed(),
    })
}
