//! `auth serve`.

use super::service;
use crate::cli::auth::{AuthCommand, AuthServeArgs};
use crate::error::Result;
use crate::exit_code::ExitCode;
use crate::settings::Settings;
use crate::shared_auth;
use crate::shared_auth::config::Config;

pub async fn run(settings: &Settings, command: AuthCommand) -> Result<ExitCode> {
    let AuthCommand::Serve(args) = command;
    serve(settings, &args).await
}

async fn serve(settings: &Settings, args: &AuthServeArgs) -> Result<ExitCode> {
    let mut config = Config::load(&args.config, &settings.variables)?;
    if let Some(listen) = args.listen {
        config.listen = listen;
    }
    let level = &args.log_level;
    service::run(args.log_format, level, |end| shared_auth::serve(config, end)).await
}
