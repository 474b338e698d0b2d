//! From `--engine` and `DEMO_ENGINE` to an engine that works here.

use crate::output::Output;
use crate::settings::{EngineChoice, Settings};
use tokio::sync::OnceCell;

use crate::fault::Fault;
use demo_base::error::Result;
use demo_sqld_dist::binary::{Search, ServerBinary, locate};
use demo_sqld_dist::install::{Request, install};
use demo_sqld_dist::pins::Platform;
use demo_stack::engine::docker::connect::Daemon;
use demo_stack::engine::docker::image;
use demo_stack::engine::native::launcher::Lifeline;
use demo_stack::engine::provider::{NativeProvider, Provider, this_program};
use demo_stack::plan::StackPlan;
use demo_stack::state::{EngineKind, Local};

/// The engines of this machine, for one command; Docker is connected to at most once.
pub struct Engines<'a> {
    settings: &'a Settings,
    output: &'a Output,
    daemon: OnceCell<Daemon>,
}

impl<'a> Engines<'a> {
    /// Nothing is looked for yet.
    pub fn new(settings: &'a Settings, output: &'a Output) -> Self {
        Self { settings, output, daemon: OnceCell::new() }
    }

    /// The engine that was asked for, with its server, or the images of `plan`, fetched if
    /// necessary.
    ///
    /// # Errors
    /// Exit 3 when no engine works; as [`install`] when the server cannot be fetched.
    pub async fn choose(&self, choice: EngineChoice, plan: &StackPlan) -> Result<Provider> {
        match choice {
            EngineChoice::Native => self.native().await,
            EngineChoice::Docker => self.docker(plan).await,
            EngineChoice::Auto => self.auto(plan).await,
        }
    }

    /// The engine that runs, or ran, a stack of `kind`, for commands that look at it or stop it.
    ///
    /// # Errors
    /// Exit 3 when that engine is not available.
    pub async fn of(&self, kind: EngineKind) -> Result<Provider> {
        match kind {
            EngineKind::Native => native_with(find(self.settings).await?),
            EngineKind::Docker => Ok(Provider::Docker(self.daemon().await?.clone())),
        }
    }

    /// The Docker daemon.
    ///
    /// # Errors
    /// Exit 3 when there is none.
    pub async fn daemon(&self) -> Result<&Daemon> {
        let connect = async || Daemon::connect(&self.settings.docker).await;
        Ok(self.daemon.get_or_try_init(connect).await?)
    }

    /// Native first: it starts in a tenth of the time and needs no daemon.
    async fn auto(&self, plan: &StackPlan) -> Result<Provider> {
        let reason = match self.native().await {
            Ok(provider) => return Ok(provider),
            Err(error) => error,
        };
        match self.docker(plan).await {
            Ok(provider) => {
                self.output
                    .note(format!("engine    docker, since native does not work here: {reason}"));
                Ok(provider)
            }
            // When both fail, the native failure is reported, because it is easier to fix.
            Err(error) => Err(reason.context(Fault::unreachable(format!(
                "neither engine works here; docker: {error}"
            )))),
        }
    }

    async fn native(&self) -> Result<Provider> {
        native_with(Some(server(self.settings, self.output).await?))
    }

    async fn docker(&self, plan: &StackPlan) -> Result<Provider> {
        let daemon = self.daemon().await?;
        let spinner = self.output.spinner_quiet("looking for the image");
        for service in &plan.services {
            if let Some(reference) = &service.image {
                let platform = service.platform.as_deref();
                image::ensure(&daemon.docker, reference, platform, &spinner).await?;
            }
        }
        Ok(Provider::Docker(daemon.clone()))
    }
}

fn native_with(binary: Option<ServerBinary>) -> Result<Provider> {
    let launcher = this_program()?;
    Ok(Provider::Native(NativeProvider { binary, launcher, lifeline: Lifeline::HERE }))
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
