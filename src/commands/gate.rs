//! `gate serve`.

use super::service;
use crate::cli::gate::{GateCommand, GateServeArgs};
use crate::exit_code::ExitCode;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_gate;
use demo_gate::config::Config;

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
    service::run(args.log_format, level, |end| demo_gate::serve(config, end)).await
}
