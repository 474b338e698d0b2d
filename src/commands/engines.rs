//! From `--engine` and `DEMO_ENGINE` to an engine that works here.

use crate::output::Output;
use crate::settings::{EngineChoice, Settings};
use demo_base::error::{Fault, Result};
use demo_sqld_dist::binary::{Search, ServerBinary, locate};
use demo_sqld_dist::install::{Request, install};
use demo_sqld_dist::pins::Platform;
use demo_stack::engine::docker::connect::Daemon;
use demo_stack::engine::docker::image;
use demo_stack::engine::native::launcher::Lifeline;
use demo_stack::engine::provider::{NativeProvider, Provider, this_program};
use demo_stack::plan::blueprint::{Blueprint, Variants};
use demo_stack::state::{EngineKind, Local};

/// The engine that was asked for, with its server or image fetched if necessary.
///
/// # Errors
/// Exit 3 when no engine works; as [`install`] when the server cannot be fetched.
pub async fn choose(
    settings: &Settings,
    asked: Option<EngineChoice>,
    output: &Output,
) -> Result<Provider> {
    match choice(settings, asked) {
        EngineChoice::Native => native(settings, output).await,
        EngineChoice::Docker => docker(settings, output).await,
        EngineChoice::Auto => auto(settings, output).await,
    }
}

/// The engine that was asked for: by the flag, else by the setting.
pub fn choice(settings: &Settings, asked: Option<EngineChoice>) -> EngineChoice {
    asked.unwrap_or(settings.engine)
}

/// Native first: it starts in a tenth of the time and needs no daemon.
async fn auto(settings: &Settings, output: &Output) -> Result<Provider> {
    let reason = match native(settings, output).await {
        Ok(provider) => return Ok(provider),
        Err(error) => error,
    };
    match docker(settings, output).await {
        Ok(provider) => {
            output.note(format!("engine    docker, since native does not work here: {reason}"));
            Ok(provider)
        }
        // When both fail, the native failure is reported, because it is easier to fix.
        Err(error) => Err(reason
            .context(Fault::unreachable(format!("neither engine works here; docker: {error}")))),
    }
}

async fn native(settings: &Settings, output: &Output) -> Result<Provider> {
    native_with(Some(server(settings, output).await?))
}

fn native_with(binary: Option<ServerBinary>) -> Result<Provider> {
    let launcher = this_program()?;
    Ok(Provider::Native(NativeProvider { binary, launcher, lifeline: Lifeline::HERE }))
}

async fn docker(settings: &Settings, output: &Output) -> Result<Provider> {
    let daemon = Daemon::connect(&settings.docker).await?;
    let blueprint = Blueprint::new(&settings.project_dir, &settings.plan_variables);
    let plan = blueprint.standing(Variants::DEFAULT)?;
    let spinner = output.spinner_quiet("looking for the image");
    for service in &plan.services {
        if let Some(reference) = &service.image {
            image::ensure(&daemon.docker, reference, service.platform.as_deref(), &spinner).await?;
        }
    }
    Ok(Provider::Docker(daemon))
}

/// The engine that runs, or ran, a stack of `kind`, for commands that look at it or stop it.
///
/// # Errors
/// Exit 3 when that engine is not available.
pub async fn of(settings: &Settings, kind: EngineKind) -> Result<Provider> {
    match kind {
        EngineKind::Native => native_with(find(settings).await?),
        EngineKind::Docker => Ok(Provider::Docker(Daemon::connect(&settings.docker).await?)),
    }
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
    output.note(format!("server    fetched in {:.1} s", since.elapsed().as_secs_f64()));
    let found = find(settings).await?;
    found.ok_or_else(|| Fault::failed("the server was fetched, but its binary is missing").into())
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
