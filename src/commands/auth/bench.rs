//! `auth bench`: chooses what is measured, prints the figures and draws them.

use std::path::Path;
use std::time::Duration;

use super::scratch::Scratch;
use crate::cli::auth::AuthBenchArgs;
use crate::commands::signals::interrupted;
use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_login::bench::report::Report;
use demo_login::bench::{self, Plan, Source};
use demo_login::config::{Backend, Config, Files};
use demo_report::counted;
use demo_service::runtime;

/// Measures the standing stack, or the databases that the configuration files name.
///
/// # Errors
/// Exit 2 or 5 for a file that is wrong or missing, 3 when a database does not answer, 4 when it
/// refuses the token, 130 after an interruption.
pub async fn run(settings: &Settings, args: &AuthBenchArgs, output: &Output) -> Result<ExitCode> {
    let mut sources = configured(settings, args)?;
    // From here on a signal must not end the program before it has cleaned up.
    let signal = tokio::spawn(interrupted());
    let folder = tempfile::Builder::new().prefix("demo-bench-").tempdir()?;
    let mut scratch = None;
    if sources.is_empty() {
        sources.push(Source { from: None, config: local_files(folder.path()) });
        let made = Scratch::make(settings).await?;
        output.detail(format!("scratch   {}", made.describe()));
        sources.push(Source { from: None, config: Config::of(made.backend()) });
        scratch = Some(made);
    }
    let plan = plan(args);
    let text = format!(
        "measuring {}, {} of lookups each",
        counted(sources.len(), "database"),
        counted(args.seconds.into(), "second")
    );
    let spinner = output.spinner(&text);
    let measured = runtime::on_all_cores(async move {
        let end = async move {
            match signal.await {
                Ok(Ok(())) => {}
                // Signals cannot be received, so this future never completes.
                _ => std::future::pending().await,
            }
        };
        bench::run(&sources, &plan, end, &|text| spinner.say(text)).await
    })
    .await;
    let cleaned = match scratch {
        Some(scratch) => scratch.remove().await,
        None => Ok(()),
    };
    let Some(report) = bench::both(measured, cleaned)? else {
        output.note("interrupted; nothing is left behind");
        return Err(demo_base::Error::Interrupted.into());
    };
    print(&report, output)
}

fn print(report: &Report, output: &Output) -> Result<ExitCode> {
    output.result(report)?;
    if report.debug_build {
        output.note(
            "note      this is a debug build, so the figures mean little; \
             `cargo build --release` makes the program that people run",
        );
    }
    if report.within_bounds() {
        return Ok(ExitCode::Success);
    }
    output.note("note      a revoked token was accepted for longer than it may be");
    Ok(ExitCode::Failed)
}

fn configured(settings: &Settings, args: &AuthBenchArgs) -> Result<Vec<Source>> {
    let load = |path: &std::path::PathBuf| {
        let config = Config::load(path, &settings.variables)?;
        Ok(Source { from: Some(path.display().to_string()), config })
    };
    args.config.iter().map(load).collect()
}

fn local_files(folder: &Path) -> Config {
    Config::of(Backend::Local(Files {
        htpasswd: folder.join("htpasswd"),
        tokens: folder.join("tokens.db"),
    }))
}

fn plan(args: &AuthBenchArgs) -> Plan {
    let mut intervals = args.sync_intervals.clone();
    intervals.sort_unstable();
    intervals.dedup();
    Plan {
        time: Duration::from_secs(args.seconds.into()),
        clients: args.clients.into(),
        tokens: usize::try_from(args.tokens).unwrap_or(usize::MAX),
        intervals: intervals.into_iter().map(|secs| Duration::from_secs(secs.into())).collect(),
    }
}
