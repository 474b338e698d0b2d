//! `sqld install`, `path`, `version`.

use serde_json::json;

use super::engines;
use crate::cli::OutputFormat;
use crate::cli::sqld::{InstallArgs, SqldCommand};
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_sqld_dist::binary::ServerBinary;
use demo_sqld_dist::install::{Request, install};
use demo_sqld_dist::pins::Platform;
use demo_stack::state::Local;

pub async fn run(settings: &Settings, command: SqldCommand, output: &Output) -> Result<()> {
    match command {
        SqldCommand::Install(args) => fetch(settings, &args, output).await,
        SqldCommand::Path => {
            let binary = present(settings, output).await?;
            let path = binary.path.display().to_string();
            show(output, &path, &json!({ "path": path, "source": binary.source.to_string() }))
        }
        SqldCommand::Version => {
            let binary = present(settings, output).await?;
            show(output, &binary.version, &json!({ "version": binary.version }))
        }
    }
}

async fn fetch(settings: &Settings, args: &InstallArgs, output: &Output) -> Result<()> {
    let platform = match args.platform {
        Some(platform) => platform,
        None => Platform::current()?,
    };
    let spinner = output.spinner("looking for the server");
    let installed = install(
        &Request {
            platform,
            bin_dir: &Local::new(settings.local_dir()).bin_dir(),
            from: args.from.as_deref(),
            force: args.force,
            search_path: settings.search_path.as_deref(),
        },
        &spinner,
    )
    .await?;
    drop(spinner);
    let word = if installed.fetched { "fetched, digest verified" } else { "installed already" };
    output.note(format!("server    {platform}, {word}"));
    let path = installed.path.display().to_string();
    show(output, &path, &json!({ "path": path, "fetched": installed.fetched }))
}

async fn present(settings: &Settings, output: &Output) -> Result<ServerBinary> {
    let found = engines::find(settings).await?;
    let binary = found.ok_or_else(|| {
        Fault::not_found("the server binary is not installed").hint("run `demo sqld install`")
    })?;
    if let Some(note) = &binary.note {
        output.note(format!("note      {note}"));
    }
    Ok(binary)
}

fn show(output: &Output, text: &str, json: &serde_json::Value) -> Result<()> {
    if output.format() == OutputFormat::Json { output.json(json) } else { output.line(text) }
}
