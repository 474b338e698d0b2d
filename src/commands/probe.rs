//! `probe`.

use std::time::Instant;

use jiff::Timestamp;

use super::signals::run_interruptible;
use super::smoke;
use crate::cli::OutputFormat;
use crate::cli::probe::{ProbeArgs, ProbeCommand, ProbeRunArgs};
use crate::exit_code::ExitCode;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::choice::Choice;
use demo_base::error::Result;
use demo_base::files;
use demo_ledger::expectations::Expectations;
use demo_ledger::gate_audit::{self, Attack};
use demo_ledger::report::{ProbeReport, progress};
use demo_ledger::{Entry, Event, Outcome, Probe, Run, run as run_probes};
use demo_sqld_client::http::loopback_client;
use demo_sqld_dist::pins;
use demo_stack::engine::ephemeral::EphemeralStacks;
use demo_stack::engine::provider::Provider;
use demo_stack::plan::blueprint::Blueprint;
use demo_stack::state::Local;

/// Enough to do useful work while other probes wait.
const JOBS: u16 = 4;

pub async fn run(settings: Settings, args: ProbeArgs, output: &Output) -> Result<ExitCode> {
    match args.command {
        None => Box::pin(probe(settings, &args.run, output)).await,
        Some(ProbeCommand::List) => list(output),
        Some(ProbeCommand::Explain { id }) => explain(&id, output),
    }
}

fn list(output: &Output) -> Result<ExitCode> {
    let entries: Vec<Entry> = demo_ledger::probes().map(Entry::from).collect();
    if output.format() == OutputFormat::Json {
        output.json(&entries)?;
    } else {
        for entry in &entries {
            output.line(format!("{:<28} {:<12} {}", entry.id, entry.area.word(), entry.claim))?;
        }
    }
    Ok(ExitCode::Success)
}

fn explain(id: &str, output: &Output) -> Result<ExitCode> {
    let entry = Entry::from(find(id)?);
    if output.format() == OutputFormat::Json {
        output.json(&entry)?;
        return Ok(ExitCode::Success);
    }
    let fields = [
        ("claim", entry.claim),
        ("source", entry.source),
        ("area", entry.area.word()),
        ("why", entry.why),
        ("do", entry.mitigation),
        ("how", entry.how),
        ("docker", entry.not_on_docker.unwrap_or("also runs there")),
    ];
    for (name, text) in fields {
        output.line(format!("{name:<8} {text}"))?;
    }
    Ok(ExitCode::Success)
}

fn find(id: &str) -> Result<&'static Probe> {
    demo_ledger::probes().find(|probe| probe.id == id).ok_or_else(|| {
        Fault::input(format!("there is no probe `{id}`"))
            .hint("`demo probe list` names them")
            .into()
    })
}

async fn probe(mut settings: Settings, args: &ProbeRunArgs, output: &Output) -> Result<ExitCode> {
    smoke::check_reports(&args.report)?;
    if let Some(path) = &args.sqld_bin {
        settings.sqld_bin = Some(std::path::absolute(path)?);
    }
    if args.through_gate {
        return Box::pin(through_gate(&settings, args, output)).await;
    }
    let chosen = chosen(args)?;
    let expectations = Expectations::load(&settings.project_dir)?;
    let blueprint = Blueprint::new(&settings.project_dir, &settings.plan_variables);
    let provider = smoke::provider(&settings, args.engine, &blueprint, output).await?;
    smoke::sweep_abandoned(&settings, &provider, output).await?;
    output.note(format!("engine    {}\n", provider.describe()));
    let (probes, left_out): (Vec<_>, Vec<_>) =
        chosen.into_iter().partition(|probe| probe.left_out(provider.kind()).is_none());
    let server = version(&provider);
    let engine = provider.describe();
    let left_out = left_out
        .into_iter()
        .filter_map(|probe| {
            Some((probe.id.to_owned(), probe.left_out(provider.kind())?.to_owned()))
        })
        .collect();
    let stacks = stacks(&settings, provider, blueprint)?;
    let run = Run { probes, stacks: &stacks, jobs: args.jobs.unwrap_or(JOBS).into() };
    let started_at = Timestamp::now();
    let since = Instant::now();
    let work = async { Ok(watched(&run, output).await) };
    let (outcomes, _) = run_interruptible(&stacks, work, output).await?;
    let report = ProbeReport {
        schema: 1,
        started_at,
        engine,
        changes: expectations.changes(&outcomes),
        outcomes,
        left_out,
        took_seconds: (since.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        server: server.clone(),
    };
    if args.update_expectations {
        expectations.updated(&server, &report.outcomes).save(&settings.project_dir)?;
        output.note("written   probes/expectations.json");
    }
    finish(&report, args, output)
}

fn stacks(
    settings: &Settings,
    provider: Provider,
    blueprint: Blueprint,
) -> Result<EphemeralStacks> {
    Ok(EphemeralStacks::new(
        provider,
        blueprint,
        Local::new(settings.local_dir()),
        loopback_client()?,
        false,
    ))
}

async fn through_gate(
    settings: &Settings,
    args: &ProbeRunArgs,
    output: &Output,
) -> Result<ExitCode> {
    let wanted = |attack: &&Attack| args.id.is_empty() || args.id.iter().any(|id| id == attack.id);
    if let Some(id) =
        args.id.iter().find(|id| !gate_audit::attacks().any(|attack| attack.id == **id))
    {
        let known: Vec<_> = gate_audit::attacks().map(|attack| attack.id).collect();
        return Err(Fault::input(format!("`{id}` is not a weakness that the gate closes"))
            .hint(format!("these are: {}", known.join(", ")))
            .into());
    }
    let attacks: Vec<_> = gate_audit::attacks().filter(wanted).collect();
    let blueprint = Blueprint::new(&settings.project_dir, &settings.plan_variables);
    let provider = smoke::provider(settings, args.engine, &blueprint, output).await?;
    smoke::sweep_abandoned(settings, &provider, output).await?;
    output.note(format!("engine    {}\n", provider.describe()));
    let stacks = stacks(settings, provider, blueprint)?;
    let work = Box::pin(gate_audit::run(&attacks, &stacks));
    let (report, _) = run_interruptible(&stacks, work, output).await?;
    output.result(&report)?;
    output.note(format!("{:.1} s. Nothing left running.", report.took_seconds));
    Ok(if report.good() { ExitCode::Success } else { ExitCode::Failed })
}

fn finish(report: &ProbeReport, args: &ProbeRunArgs, output: &Output) -> Result<ExitCode> {
    for target in &args.report {
        let text = report.render(target.format)?;
        files::write_atomic(&target.path, text.as_bytes(), files::MODE_SHARED)?;
    }
    if output.format() == OutputFormat::Json {
        output.json(report)?;
    } else {
        output.line(report.text(args.all))?;
        output.note(format!("{:.1} s. Nothing left running.", report.took_seconds));
    }
    let undecided = report.outcomes.iter().any(|outcome| outcome.observation.is_none());
    let good = !undecided && (report.changes.is_empty() || args.update_expectations);
    Ok(if good { ExitCode::Success } else { ExitCode::Failed })
}

async fn watched(run: &Run<'_>, output: &Output) -> Vec<Outcome> {
    let all = run.probes.len();
    let spinner = output.spinner(&progress(0, all));
    let done = std::cell::Cell::new(0);
    run_probes(run, |event| {
        if let Event::Finished(outcome) = event {
            done.set(done.get() + 1);
            spinner.say(&format!("{}  {}", progress(done.get(), all), outcome.entry.id));
        }
    })
    .await
}

fn version(provider: &Provider) -> String {
    let binary = provider.server_binary().map(|binary| binary.version.clone());
    binary.unwrap_or_else(|| pins::VERSION.to_owned())
}

fn chosen(args: &ProbeRunArgs) -> Result<Vec<&'static Probe>> {
    for id in &args.id {
        find(id)?;
    }
    let wanted = |probe: &&Probe| {
        (args.area.is_empty() || args.area.contains(&probe.area))
            && (args.id.is_empty() || args.id.iter().any(|id| id == probe.id))
    };
    let chosen: Vec<_> = demo_ledger::probes().filter(wanted).collect();
    if chosen.is_empty() {
        return Err(Fault::input("no probe is in that area and has that id")
            .hint("`demo probe list` names them")
            .into());
    }
    Ok(chosen)
}
