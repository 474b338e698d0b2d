//! The engines that run the servers.
//!
//! An engine serves one stack. It starts and stops single services; order, waiting and ports are
//! the same for all engines and live in [`start`] and [`ephemeral`]. To add an engine, implement
//! [`Engine`] and add it to [`provider`].

pub mod docker;
pub mod ephemeral;
mod error;
pub mod native;
pub mod provider;
pub mod sidecars;
pub mod start;

use std::path::Path;

use futures::future::LocalBoxFuture;
use futures::stream::LocalBoxStream;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

pub use self::error::{Error, PortInUse};
use crate::plan::{ServicePlan, StackPlan};
use crate::state::EngineKind;
use demo_base::error::Result;
use demo_base::files;
use demo_base::hex;

/// Runs the services of one stack.
///
/// An implementation acts only on what it, or an earlier run for the same stack, has started, and
/// identifies it by pid and lock or by container id, never by name.
pub trait Engine {
    /// Which engine this is.
    fn kind(&self) -> EngineKind;

    /// Sets up what all services need before the first one starts.
    fn prepare<'a>(&'a self, plan: &'a StackPlan) -> LocalBoxFuture<'a, Result<()>>;

    /// Starts a stopped service; it need not be ready on return.
    fn start<'a>(
        &'a self,
        plan: &'a StackPlan,
        service: &'a ServicePlan,
    ) -> LocalBoxFuture<'a, Result<()>>;

    /// Whether a service runs, and as which process or container.
    fn state<'a>(&'a self, service: &'a str) -> LocalBoxFuture<'a, Result<ServiceState>>;

    /// Whether a running service is what the plan asks for.
    fn matches<'a>(
        &'a self,
        plan: &'a StackPlan,
        service: &'a ServicePlan,
    ) -> LocalBoxFuture<'a, Result<bool>>;

    /// Whether a service whose `/health` answers is healthy; else why it is not, for example
    /// because another program answers on its port.
    fn is_healthy<'a>(
        &'a self,
        service: &'a ServicePlan,
    ) -> LocalBoxFuture<'a, Result<Option<String>>>;

    /// Stops a service and waits until it has ended; `Ok(false)` if it was not running.
    fn stop<'a>(&'a self, service: &'a str, how: Stop) -> LocalBoxFuture<'a, Result<bool>>;

    /// The last `tail` lines of a service's log, or all of it.
    fn logs<'a>(
        &'a self,
        service: &'a str,
        tail: Option<usize>,
    ) -> LocalBoxFuture<'a, Result<String>>;

    /// The lines that a service writes from now on, without their newline.
    fn follow<'a>(&'a self, service: &'a str) -> LocalBoxStream<'a, Result<String>>;

    /// Removes what [`Engine::prepare`] made for `project`; every service is stopped.
    fn remove<'a>(&'a self, project: &'a str) -> LocalBoxFuture<'a, Result<()>>;

    /// Removes a folder that the services wrote, whoever owns its content. No link below `within`
    /// is followed.
    fn remove_files<'a>(
        &'a self,
        within: &'a Path,
        folder: &'a Path,
    ) -> LocalBoxFuture<'a, Result<()>>;
}

/// How a service is stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// Gracefully; the replicas keep their data.
    Graceful,
    /// At once, as a crash would.
    Kill,
}

/// Whether a service runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServiceState {
    Stopped,
    Running(Instance),
}

/// A running service.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Instance {
    /// `pid 4121`, or `container 0f3c…`.
    pub id: String,
    pub started_at: Option<Timestamp>,
}

/// The last lines of a service's log, indented for a message.
///
/// Never fails, since it is used to explain a failure.
pub async fn last_words(engine: &dyn Engine, service: &str) -> String {
    const LINES: usize = 10;
    match engine.logs(service, Some(LINES)).await {
        Ok(text) if text.trim().is_empty() => format!("{service} wrote nothing to its log"),
        Ok(text) => {
            let lines: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
            format!("last lines of {service}'s log:\n{}", lines.join("\n"))
        }
        Err(error) => format!("{service}'s log cannot be read: {error}"),
    }
}

/// A digest of the files that are mounted read-only. The server reads its keys only at start, so a
/// service whose files have changed must be restarted.
fn mounted_digest(service: &ServicePlan) -> Result<String, demo_base::Error> {
    let mut hasher = Sha256::new();
    for mount in service.mounts.iter().filter(|mount| mount.read_only && mount.source.is_file()) {
        let bytes = std::fs::read(&mount.source)
            .map_err(|error| files::unreadable(&mount.source, "mounted file", error))?;
        hasher.update(bytes);
    }
    Ok(hex::encode(&hasher.finalize()))
}

/// The first half of the SHA-256 of `text`, which is enough to tell two plans apart.
fn short_digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..16])
}
