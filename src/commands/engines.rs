//! From `--engine` and `DEMO_ENGINE` to an engine that works here.

use std::path::PathBuf;

use crate::cli::stack::EngineArg;
use crate::engine::provider::Provider;
use crate::error::{Fault, Result};
use crate::output::Output;
use crate::server::binary::{Search, ServerBinary, locate};
use crate::server::install::{Request, install};
use crate::server::pins::Platform;
use crate::settings::{EngineChoice, Settings};
use crate::state::{EngineKind, Local};

/// The engine that was asked for, its server fetched if need be.
///
/// # Errors
/// Exit 3 when there is none; as [`install`] when the server cannot be fetched.
pub async fn choose(
    settings: &Settings,
    asked: Option<EngineArg>,
    output: &Output,
) -> Result<Provider> {
    let choice = match asked {
        Some(EngineArg::Auto) => EngineChoice::Auto,
        Some(EngineArg::Native) => EngineChoice::Native,
        Some(EngineArg::Docker) => EngineChoice::Docker,
        None => settings.engine,
    };
    match choice {
        EngineChoice::Auto | EngineChoice::Native => native(settings, output).await,
        EngineChoice::Docker => Err(no_docker().into()),
    }
}

async fn native(settings: &Settings, output: &Output) -> Result<Provider> {
    Ok(Provider::native(Some(server(settings, output).await?), launcher()?))
}

/// The engine that runs, or ran, a stack of `kind`, to look at it or stop it.
///
/// # Errors
/// Exit 3 when that engine is not there.
pub async fn of(settings: &Settings, kind: EngineKind) -> Result<Provider> {
    match kind {
        EngineKind::Native => Ok(Provider::native(find(settings).await?, launcher()?)),
        EngineKind::Docker => Err(no_docker().into()),
    }
}

fn launcher() -> Result<PathBuf> {
    Ok(std::env::current_exe()
        .map_err(|error| Fault::failed("demo cannot find its own program").because(error))?)
}

fn no_docker() -> Fault {
    Fault::unreachable("this version of demo has no docker engine")
        .hint("use --engine native, or `docker compose up -d` on the same files")
}

/// The server binary, fetched if there is none.
///
/// # Errors
/// As [`locate`] and [`install`].
pub async fn server(settings: &Settings, output: &Output) -> Result<ServerBinary> {
    if let Some(binary) = find(settings).await? {
        return Ok(binary);
    }
    let since = std::time::Instant::now();
    let local = Local::new(settings.local_dir());
    let spinner = output.spinner("fetching the server");
    install(
        &Request {
            platform: Platform::current()?,
            bin_dir: &local.bin_dir(),
            from: None,
            force: false,
            search_path: settings.search_path.as_deref(),
        },
        &spinner,
    )
    .await?;
    drop(spinner);
    output.talk(format!("server    fetched in {:.1} s", since.elapsed().as_secs_f64()));
    let found = find(settings).await?;
    found.ok_or_else(|| Fault::failed("the server was fetched and is not there").into())
}

/// The server binary that would be used, if there is one.
///
/// # Errors
/// As [`locate`].
pub async fn find(settings: &Settings) -> Result<Option<ServerBinary>> {
    let local = Local::new(settings.local_dir());
    locate(&Search {
        variable: settings.sqld_bin.as_deref(),
        bin_dir: &local.bin_dir(),
        search_path: settings.search_path.as_deref(),
    })
    .await
}
