//! The chosen engine, for any number of stacks.

use std::path::{Path, PathBuf};

use super::docker::DockerEngine;
use super::docker::connect::Daemon;
use super::native::launcher::Lifeline;
use super::native::{NativeEngine, Site};
use super::sidecars::Sidecars;
use super::{Engine, Error};
use crate::state::{EngineKind, Local};
use demo_sqld_dist::binary::{ServerBinary, Source};

/// Makes engines of one kind.
#[derive(Clone, Debug)]
pub enum Provider {
    Native(NativeProvider),
    Docker(Daemon),
}

/// What the native engine needs.
#[derive(Clone, Debug)]
pub struct NativeProvider {
    /// Without it the provider can only inspect and stop stacks.
    pub binary: Option<ServerBinary>,
    /// The `demo` program itself.
    pub launcher: PathBuf,
    pub lifeline: Lifeline,
}

/// Where the engine of a stack keeps its files, and whether the stack outlives this process.
#[derive(Clone, Debug)]
pub struct Place {
    /// The compose project.
    pub project: String,
    pub run_dir: PathBuf,
    pub logs_dir: PathBuf,
    /// The servers end when this process ends, however it ends.
    pub owned: bool,
}

impl Place {
    /// The place of the standing stack.
    pub fn standing(local: &Local, project: &str) -> Self {
        Self {
            project: project.to_owned(),
            run_dir: local.standing_dir(),
            logs_dir: local.logs_dir(),
            owned: false,
        }
    }

    /// The place of an ephemeral stack.
    pub fn ephemeral(folder: &Path, project: &str, owned: bool) -> Self {
        Self {
            project: project.to_owned(),
            run_dir: folder.join("run"),
            logs_dir: folder.join("logs"),
            owned,
        }
    }

    fn site(&self, lifeline: Lifeline) -> Site {
        Site {
            run_dir: self.run_dir.clone(),
            logs_dir: self.logs_dir.clone(),
            owner: self.owned.then(std::process::id),
            lifeline,
        }
    }
}

/// The path of this program, which becomes what it starts.
///
/// # Errors
/// [`Error::NoExecutable`].
pub fn this_program() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(Error::NoExecutable)
}

impl Provider {
    /// Which engine this is.
    pub fn kind(&self) -> EngineKind {
        match self {
            Self::Native(_) => EngineKind::Native,
            Self::Docker(_) => EngineKind::Docker,
        }
    }

    /// The binary that the native engine runs.
    pub fn server_binary(&self) -> Option<&ServerBinary> {
        match self {
            Self::Native(native) => native.binary.as_ref(),
            Self::Docker(_) => None,
        }
    }

    /// The engine in words, for the first line of a run.
    pub fn describe(&self) -> String {
        match self {
            Self::Docker(daemon) => {
                let Daemon { address, version, api, .. } = daemon;
                format!("docker: {} (engine {version}, API {api})", address.url)
            }
            Self::Native(NativeProvider { binary: None, .. }) => "native".to_owned(),
            Self::Native(NativeProvider { binary: Some(binary), .. }) => {
                let note = binary.note.as_ref().map(|note| format!("; {note}"));
                let proof = match binary.source {
                    Source::Installed => "digest verified".to_owned(),
                    other => format!("from {other}"),
                };
                let note = note.unwrap_or_default();
                format!("native: no Docker needed (sqld {}, {proof}{note})", binary.version)
            }
        }
    }

    /// The sidecars of the stack at `place`, which are processes of this machine on every engine.
    ///
    /// # Errors
    /// [`Error::NoExecutable`].
    pub fn sidecars(&self, place: &Place) -> Result<Sidecars, Error> {
        let (program, lifeline) = match self {
            Self::Native(native) => (native.launcher.clone(), native.lifeline),
            Self::Docker(_) => (this_program()?, Lifeline::HERE),
        };
        Ok(Sidecars::new(place.site(lifeline), program))
    }

    /// An engine for the stack at `place`.
    pub fn engine(&self, place: &Place) -> Box<dyn Engine> {
        match self {
            Self::Docker(daemon) => Box::new(DockerEngine::new(daemon.clone(), &place.project)),
            Self::Native(native) => {
                let site = place.site(native.lifeline);
                let launcher = native.launcher.clone();
                Box::new(NativeEngine::new(site, native.binary.clone(), launcher))
            }
        }
    }
}
