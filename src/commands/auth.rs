//! `auth serve`.

use super::signals::interrupted;
use crate::cli::auth::{AuthCommand, AuthServeArgs};
use crate::error::Result;
use crate::service::{logs, runtime};
use crate::settings::Settings;
use crate::shared_auth;
use crate::shared_auth::config::Config;

pub async fn run(settings: &Settings, command: AuthCommand) -> Result<()> {
    let AuthCommand::Serve(args) = command;
    serve(settings, &args).await
}

async fn serve(settings: &Settings, args: &AuthServeArgs) -> Result<()> {
    let mut config = Config::load(&args.config, &settings.variables)?;
    if let Some(listen) = args.listen {
        config.listen = listen;
    }
    logs::start(args.log_format, &args.log_level)?;
    runtime::on_all_cores(async {
        let end = async {
            if let Err(error) = interrupted().await {
                tracing::error!(%error, "signals cannot be listened for; the service ends");
            }
        };
        shared_auth::serve(config, end).await
    })
    .await
}
