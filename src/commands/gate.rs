//! `gate serve`.

use super::service;
use crate::cli::gate::{GateCommand, GateServeArgs};
use crate::gate;
use crate::gate::config::Config;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_base::exit_code::ExitCode;

pub async fn run(settings: &Settings, command: GateCommand) -> Result<ExitCode> {
    let GateCommand::Serve(args) = command;
    serve(settings, &args).await
}

async fn serve(settings: &Settings, args: &GateServeArgs) -> Result<ExitCode> {
    let mut config = Config::load(&args.config, &settings.variables)?;
    if let Some(listen) = args.listen {
        config.listen = listen;
    }
    let level = &args.log_level;
    service::run(args.log_format, level, |end| gate::serve(config, end)).await
}
