//! The engine that was chosen, for any number of stacks.

use std::path::{Path, PathBuf};

use super::Engine;
use super::native::launcher::Lifeline;
use super::native::{NativeEngine, Site};
use crate::server::binary::{ServerBinary, Source};
use crate::state::{EngineKind, Local};

/// Makes engines of one kind.
#[derive(Clone, Debug)]
pub struct Provider {
    binary: Option<ServerBinary>,
    launcher: PathBuf,
    lifeline: Lifeline,
}

/// Where a stack keeps what its engine writes, and whether it outlives us.
#[derive(Clone, Debug)]
pub struct Place {
    pub run_dir: PathBuf,
    pub logs_dir: PathBuf,
    /// The servers end when this process ends, in whatever way.
    pub owned: bool,
}

impl Place {
    /// That of the standing stack.
    pub fn standing(local: &Local) -> Self {
        Self { run_dir: local.standing_dir(), logs_dir: local.logs_dir(), owned: false }
    }

    /// That of an ephemeral stack.
    pub fn ephemeral(folder: &Path, owned: bool) -> Self {
        Self { run_dir: folder.join("run"), logs_dir: folder.join("logs"), owned }
    }
}

impl Provider {
    /// The native engine with `binary`, without which it can only look and stop;
    /// `launcher` is this program.
    pub fn native(binary: Option<ServerBinary>, launcher: PathBuf) -> Self {
        Self { binary, launcher, lifeline: Lifeline::HERE }
    }

    /// The same with another way to notice this process's end.
    #[must_use]
    pub fn with_lifeline(mut self, lifeline: Lifeline) -> Self {
        self.lifeline = lifeline;
        self
    }

    /// Which engine this is.
    pub fn kind(&self) -> EngineKind {
        EngineKind::Native
    }

    /// What serves, in words for the first line of a run.
    pub fn describe(&self) -> String {
        let Some(binary) = &self.binary else {
            return "native".to_owned();
        };
        let note = binary.note.as_deref().map(|note| format!("; {note}")).unwrap_or_default();
        let proof = match binary.source {
            Source::Installed => "digest verified".to_owned(),
            other => format!("from {other}"),
        };
        format!("native: no Docker needed (sqld {}, {proof}{note})", binary.version)
    }

    /// An engine for the stack at `place`.
    pub fn engine(&self, place: &Place) -> Box<dyn Engine> {
        let site = Site {
            run_dir: place.run_dir.clone(),
            logs_dir: place.logs_dir.clone(),
            owner: place.owned.then(std::process::id),
            lifeline: self.lifeline,
        };
        Box::new(NativeEngine::new(site, self.binary.clone(), self.launcher.clone()))
    }
}
