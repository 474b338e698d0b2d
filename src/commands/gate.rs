//! `gate serve`.

use super::signals::interrupted;
use crate::cli::gate::{GateCommand, GateServeArgs};
use crate::error::Result;
use crate::gate;
use crate::gate::config::Config;
use crate::service::{logs, runtime};
use crate::settings::Settings;

pub async fn run(settings: &Settings, command: GateCommand) -> Result<()> {
    let GateCommand::Serve(args) = command;
    serve(settings, &args).await
}

async fn serve(settings: &Settings, args: &GateServeArgs) -> Result<()> {
    let mut config = Config::load(&args.config, &settings.variables)?;
    if let Some(listen) = args.listen {
        config.listen = listen;
    }
    logs::start(args.log_format, &args.log_level)?;
    runtime::on_all_cores(async {
        let end = async {
            if let Err(error) = interrupted().await {
                tracing::error!(%error, "signals cannot be listened for; the gate ends");
            }
        };
        gate::serve(config, end).await
    })
    .await
}
