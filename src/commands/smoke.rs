//! `smoke`.

use super::engines::Engines;
use super::signals::run_interruptible;
use crate::cli::OutputFormat;
use crate::cli::choice::ReportTarget;
use crate::cli::smoke::SmokeArgs;
use crate::exit_code::ExitCode;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::{EngineChoice, Settings};
use demo_base::error::Result;
use demo_base::files;
use demo_report::style::{self, paint};
use demo_report::{Report, counted, text};
use demo_smoke::{Event, Run, Scenario, run as run_scenarios, scenarios};
use demo_sqld_client::http::loopback_client;
use demo_stack::engine::ephemeral::{EphemeralStacks, Sweep, sweep};
use demo_stack::engine::provider::Provider;
use demo_stack::plan::blueprint::{Blueprint, Variants};
use demo_stack::state::Local;

/// More jobs would only compete for the processors.
const MOST_JOBS: usize = 4;

/// Runs the scenarios, prints each result as it comes in, and leaves nothing running.
pub async fn run(settings: &Settings, args: &SmokeArgs, output: &Output) -> Result<ExitCode> {
    check_reports(&args.report)?;
    let local = Local::new(settings.local_dir());
    let blueprint = Blueprint::new(&settings.project_dir, &settings.plan_variables);
    let provider = provider(settings, args.engine, &blueprint, output).await?;
    sweep_abandoned(settings, &provider, output).await?;
    output.note(format!("engine    {}\n", provider.describe()));
    let stacks = EphemeralStacks::new(provider, blueprint, local, loopback_client()?, args.keep);
    let run = Run {
        scenarios: chosen(&args.scenario),
        stacks: &stacks,
        namespace_replica: settings.namespace_replica,
        jobs: args.jobs.map_or_else(default_jobs, usize::from),
    };
    let (report, kept) = run_interruptible(&stacks, watched(&run, output), output).await?;
    finish(&report, args, output)?;
    for folder in kept {
        output.note(format!("kept      {}", folder.display()));
    }
    Ok(if report.passed() { ExitCode::Success } else { ExitCode::Failed })
}

/// The engine for ephemeral stacks of these files.
///
/// # Errors
/// As [`Engines::choose`]; exit 2 for a compose file that is wrong.
pub async fn provider(
    settings: &Settings,
    asked: Option<EngineChoice>,
    blueprint: &Blueprint,
    output: &Output,
) -> Result<Provider> {
    let plan = blueprint.standing(Variants::DEFAULT)?;
    Engines::new(settings, output).choose(asked.unwrap_or(settings.engine), &plan).await
}

/// Removes what a killed run has left behind, and prints what it removed.
///
/// # Errors
/// As [`sweep`].
pub async fn sweep_abandoned(
    settings: &Settings,
    provider: &Provider,
    output: &Output,
) -> Result<()> {
    let local = Local::new(settings.local_dir());
    let swept = match provider {
        Provider::Docker(daemon) => sweep(&local, Sweep::Abandoned, Some(daemon)).await?,
        Provider::Native(_) => sweep(&local, Sweep::Abandoned, None).await?,
    };
    if swept.removed > 0 {
        let stacks = counted(swept.removed, "stack");
        output.note(format!("swept     {stacks} of a run that was killed"));
    }
    Ok(())
}

async fn watched(run: &Run<'_>, output: &Output) -> Result<Report> {
    let spinner = output.spinner(&format!("running {}", counted(run.scenarios.len(), "scenario")));
    let running = std::cell::RefCell::new(Vec::new());
    let report = run_scenarios(run, |event| match event {
        Event::Started(scenario) => {
            running.borrow_mut().push(scenario.name.to_owned());
            spinner.say(&running.borrow().join(", "));
        }
        Event::Finished(report) => {
            running.borrow_mut().retain(|name| *name != report.name);
            spinner.say(&running.borrow().join(", "));
            spinner.above(|| output.note(text::scenario_text(report)));
        }
    })
    .await;
    drop(spinner);
    report
}

fn finish(report: &Report, args: &SmokeArgs, output: &Output) -> Result<()> {
    for target in &args.report {
        let text = report.render(target.format)?;
        files::write_atomic(&target.path, text.as_bytes(), files::MODE_SHARED)?;
    }
    if output.format() == OutputFormat::Json {
        return output.json(report);
    }
    output.note("");
    output.line(text::table(report))?;
    let left = if args.keep { "" } else { " Nothing left running." };
    output.line(format!("{}{left}", text::summary(report)))?;
    if report.passed() {
        let next = "demo up            starts a stack on 127.0.0.1:18080 and :18083";
        output.note(format!("{} {next}", paint(style::HINT, "next:")));
    }
    Ok(())
}

fn chosen(names: &[String]) -> Vec<&'static Scenario> {
    let wanted = |s: &&Scenario| names.is_empty() || names.iter().any(|name| name == s.name);
    scenarios().iter().filter(wanted).collect()
}

fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_JOBS)
}

/// Checked before the run, so that a wrong path does not waste it.
pub fn check_reports<F>(targets: &[ReportTarget<F>]) -> Result<()> {
    for target in targets {
        let folder = target.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            return Err(Fault::input(format!(
                "the folder of the report {} does not exist",
                target.path.display()
            ))
            .hint("create the folder first, or choose another path")
            .into());
        }
    }
    Ok(())
}
