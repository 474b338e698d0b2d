//! `auth serve`, `auth bench`.

mod bench;
mod scratch;

use super::service;
use crate::cli::auth::{AuthCommand, AuthServeArgs};
use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_login;
use demo_login::config::Config;

pub async fn run(settings: &Settings, command: AuthCommand, output: &Output) -> Result<ExitCode> {
    match command {
        AuthCommand::Serve(args) => serve(settings, &args).await,
        AuthCommand::Bench(args) => bench::run(settings, &args, output).await,
    }
}

async fn serve(settings: &Settings, args: &AuthServeArgs) -> Result<ExitCode> {
    let mut config = Config::load(&args.config, &settings.variables)?;
    if let Some(listen) = args.listen {
        config.listen = listen;
    }
    let level = &args.log_level;
    service::run(args.log_format, level, |end| demo_login::serve(config, end)).await
}
