//! `mint serve|check`.

use std::path::PathBuf;

use serde_json::json;

use super::service;
use crate::cli::OutputFormat;
use crate::cli::mint::{CheckArgs, ConfigArgs, MintCommand, ServeArgs};
use crate::exit_code::ExitCode;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_mint::Service;
use demo_mint::config::Config;

/// The name of the configuration file in the project folder.
const CONFIG: &str = "mint.yaml";

pub async fn run(settings: &Settings, command: MintCommand, output: &Output) -> Result<ExitCode> {
    match command {
        MintCommand::Serve(args) => serve(settings, args).await,
        MintCommand::Check(args) => check(settings, &args, output).await,
    }
}

async fn serve(settings: &Settings, args: ServeArgs) -> Result<ExitCode> {
    let mut config = Config::load(&path(settings, &args.config)?, &settings.variables)?;
    config.listen = args.listen.unwrap_or(config.listen);
    service::run(args.log_format, &args.log_level, async move |end| {
        let listen = config.listener();
        listen.check()?;
        let mint = Service::new(config).await?;
        mint.serve(listen.bind()?, end).await
    })
    .await
}

async fn check(settings: &Settings, args: &CheckArgs, output: &Output) -> Result<ExitCode> {
    let path = path(settings, &args.config)?;
    let config = Config::load(&path, &settings.variables)?;
    config.listener().check()?;
    let mint = Service::new(config).await?;
    if !args.offline {
        mint.check().await?;
    }
    if output.format() == OutputFormat::Json {
        output.json(&json!({ "good": true }))?;
    } else {
        output.note(format!("{} is valid", path.display()));
    }
    Ok(ExitCode::Success)
}

fn path(settings: &Settings, args: &ConfigArgs) -> Result<PathBuf> {
    if let Some(path) = &args.config {
        return Ok(path.clone());
    }
    let path = settings.project_dir.join(CONFIG);
    if path.is_file() {
        return Ok(path);
    }
    Err(Fault::not_found(format!("there is no configuration file {}", path.display()))
        .hint("name one with -c; `demo mint serve --help` shows a minimal one")
        .into())
}
