//! The standing stack: up, status, logs, restart, down, cleanup.

pub mod down;
pub mod logs;
pub mod restart;
pub mod status;
pub mod up;

use super::engines;
use crate::engine::Engine;
use crate::engine::provider::Place;
use crate::error::{Fault, Result};
use crate::settings::Settings;
use crate::state::{Local, Standing};

/// The standing stack as it was recorded, and the engine that runs it.
struct Stack {
    local: Local,
    standing: Standing,
    engine: Box<dyn Engine>,
}

impl Stack {
    /// # Errors
    /// Exit 3 when none was started.
    async fn open(settings: &Settings) -> Result<Self> {
        let local = Local::new(settings.local_dir());
        let Some(standing) = local.standing()? else {
            return Err(no_stack().into());
        };
        let provider = engines::of(settings, standing.engine).await?;
        let engine = provider.engine(&Place::standing(&local));
        Ok(Self { local, standing, engine })
    }

    /// The services that a command is for: the one that was named, or all.
    ///
    /// # Errors
    /// Exit 5 for a name that there is not.
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

fn no_stack() -> Fault {
    Fault::unreachable("no stack is running").hint("`demo up` starts one")
}
