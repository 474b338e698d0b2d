//! The standing stack: up, status, logs, restart, down, cleanup.

pub mod down;
pub mod logs;
pub mod restart;
pub mod status;
pub mod supervise;
pub mod up;

use super::engines::Engines;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::{EngineChoice, Settings};
use demo_base::error::Result;
use demo_stack::engine::Engine;
use demo_stack::engine::docker::discover;
use demo_stack::engine::provider::Place;
use demo_stack::plan::blueprint::{Blueprint, Variants};
use demo_stack::state::{Local, Standing};

/// The standing stack as recorded, and the engine that runs it.
pub(super) struct Stack {
    pub local: Local,
    pub standing: Standing,
    pub engine: Box<dyn Engine>,
}

impl Stack {
    /// # Errors
    /// Exit 3 when no stack is running.
    pub async fn open(settings: &Settings, output: &Output) -> Result<Self> {
        let local = Local::new(settings.local_dir());
        let engines = Engines::new(settings, output);
        let Some(standing) = find(settings, &local, &engines).await? else {
            return Err(no_stack().into());
        };
        let provider = engines.of(standing.engine).await?;
        let engine = provider.engine(&Place::standing(&local, &standing.project));
        Ok(Self { local, standing, engine })
    }

    /// The services that a command applies to: the one that was named, or all.
    ///
    /// # Errors
    /// Exit 5 for a name that is not a service of the stack.
    fn services(&self, named: Option<&str>) -> Result<Vec<String>> {
        let all: Vec<String> = self.standing.services.keys().cloned().collect();
        let Some(named) = named else { return Ok(all) };
        if all.iter().any(|name| name == named) {
            return Ok(vec![named.to_owned()]);
        }
        Err(Fault::not_found(format!("there is no service `{named}`"))
            .hint(format!("the stack has: {}", all.join(", ")))
            .into())
    }
}

/// The standing stack: the recorded one, else one that `docker compose up` has started from the
/// same files.
///
/// # Errors
/// When the record is damaged, or Docker refuses.
async fn find(
    settings: &Settings,
    local: &Local,
    engines: &Engines<'_>,
) -> Result<Option<Standing>> {
    if let Some(standing) = local.standing()? {
        return Ok(Some(standing));
    }
    if settings.engine == EngineChoice::Native {
        return Ok(None);
    }
    // Without Docker or a usable compose file, Compose cannot have started a stack.
    let Ok(daemon) = engines.daemon().await else { return Ok(None) };
    let blueprint = Blueprint::new(&settings.project_dir, &settings.plan_variables);
    let Ok(plan) = blueprint.standing(Variants::DEFAULT) else { return Ok(None) };
    Ok(discover::standing(daemon, &plan).await?)
}

fn no_stack() -> Fault {
    Fault::unreachable("no stack is running").hint("`demo up` starts one")
}
