//! What `demo` keeps under `.local`: paths, the lock, and the record of the standing stack.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plan::blueprint::Variants;
use crate::plan::{Interface, StackPlan};
use demo_base::error::{Fault, Result};
use demo_base::files::{self, lock::try_lock};
use demo_base::ready::{Attempt, poll};

/// Version of the format of the state file.
const SCHEMA: u32 = 1;

/// How long one command waits for another that is changing the stack.
const LOCK_DEADLINE: Duration = Duration::from_secs(60);

/// The folder `.local` of a project.
#[derive(Clone, Debug)]
pub struct Local(PathBuf);

impl Local {
    /// The folder at `root`, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// `.local`.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The folder that contains `.local`; nothing below it is removed through a link.
    pub fn project_dir(&self) -> &Path {
        match self.0.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// Fails when one of `paths`, or a folder of the project on the way to it, is a symbolic link.
    /// Call it before anything is stopped or removed.
    ///
    /// # Errors
    /// Exit 2, naming the link.
    pub fn refuse_links(&self, paths: &[PathBuf]) -> Result<()> {
        Ok(paths
            .iter()
            .try_for_each(|path| files::removal::refuse_links(self.project_dir(), path))?)
    }

    /// Server binaries.
    pub fn bin_dir(&self) -> PathBuf {
        self.0.join("bin")
    }

    /// Pid files and record of the standing stack.
    pub fn standing_dir(&self) -> PathBuf {
        self.0.join("run/standing")
    }

    /// The folder with one folder for each ephemeral stack.
    pub fn ephemeral_dir(&self) -> PathBuf {
        self.0.join("run/ephemeral")
    }

    /// Logs of the standing stack.
    pub fn logs_dir(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// Databases of the standing stack.
    pub fn data_dir(&self) -> PathBuf {
        self.0.join("data")
    }

    /// Embedded replicas.
    pub fn embedded_dir(&self) -> PathBuf {
        self.0.join("embedded")
    }

    /// Prevents other processes from changing the standing stack until the lock is dropped.
    ///
    /// # Errors
    /// Exit 2 when the folder cannot be written, exit 1 when another command
    /// holds the lock for longer than a minute.
    pub async fn lock(&self) -> Result<StateLock> {
        files::create_dir(&self.0, files::MODE_SECRET_DIR)?;
        files::create_dir(&self.standing_dir(), files::MODE_SHARED_DIR)?;
        let path = self.standing_dir().join("lock");
        let what = "another demo command has changed the stack";
        let file = poll(what, LOCK_DEADLINE, async || {
            Ok(match try_lock(&path)? {
                Some(file) => Attempt::Done(file),
                None => Attempt::Again(format!("{} is locked", path.display())),
            })
        })
        .await?;
        Ok(StateLock { _file: file })
    }

    /// The record of the standing stack, if one was started.
    ///
    /// # Errors
    /// Exit 2 for a record that cannot be read or has a newer version.
    pub fn standing(&self) -> Result<Option<Standing>> {
        let path = self.standing_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(files::unreadable(&path, "state file", error).into()),
        };
        let damaged = |error: serde_json::Error| {
            Fault::input(format!("the state file {} is damaged", path.display()))
                .because(error)
                .hint("run `demo cleanup` to stop what runs and remove the state")
        };
        let version: Version = serde_json::from_str(&text).map_err(damaged)?;
        if version.schema != SCHEMA {
            return Err(Fault::input(format!(
                "the state file {} has version {}, but this demo supports {SCHEMA}",
                path.display(),
                version.schema
            ))
            .hint("use the demo that started the stack, or run `demo cleanup`")
            .into());
        }
        Ok(Some(serde_json::from_str(&text).map_err(damaged)?))
    }

    /// Writes the record.
    ///
    /// # Errors
    /// Exit 2 when it cannot be written.
    pub fn save(&self, standing: &Standing) -> Result<()> {
        let text = serde_json::to_string_pretty(standing)?;
        Ok(files::write_atomic(&self.standing_path(), text.as_bytes(), files::MODE_SHARED)?)
    }

    /// How often a service of the standing stack was restarted after it had died.
    pub fn restarts(&self, service: &str) -> u32 {
        let text = fs::read_to_string(self.restarts_path(service)).unwrap_or_default();
        text.trim().parse().unwrap_or_default()
    }

    /// Records how often a service was restarted; stopping the service clears the count.
    ///
    /// # Errors
    /// Exit 2 when it cannot be written.
    pub fn save_restarts(&self, service: &str, count: u32) -> Result<()> {
        let text = format!("{count}\n");
        Ok(files::write_atomic(&self.restarts_path(service), text.as_bytes(), files::MODE_SHARED)?)
    }

    fn restarts_path(&self, service: &str) -> PathBuf {
        self.standing_dir().join(format!("{service}.restarts"))
    }

    /// Removes the record.
    ///
    /// # Errors
    /// Exit 2 when it cannot be removed.
    pub fn forget(&self) -> Result<()> {
        Ok(files::remove(&self.standing_path())?)
    }

    fn standing_path(&self) -> PathBuf {
        self.standing_dir().join("state.json")
    }
}

#[derive(Deserialize)]
struct Version {
    schema: u32,
}

/// Held while the standing stack is changed.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

/// Which engine runs a stack.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    Native,
    Docker,
}

impl std::fmt::Display for EngineKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Native => "native",
            Self::Docker => "docker",
        })
    }
}

/// What was started, recorded for later commands.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Standing {
    schema: u32,
    pub engine: EngineKind,
    pub project: String,
    pub variants: Variants,
    pub started_at: Timestamp,
    pub services: BTreeMap<String, Addresses>,
}

/// The addresses of a service of the standing stack.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Addresses {
    pub http: Option<SocketAddr>,
    pub grpc: Option<SocketAddr>,
    pub admin: Option<SocketAddr>,
}

impl Standing {
    /// The record of `plan`.
    pub fn of(
        plan: &StackPlan,
        engine: EngineKind,
        variants: Variants,
        started_at: Timestamp,
    ) -> Self {
        let addresses = |service: &crate::plan::ServicePlan| Addresses {
            http: service.endpoint(Interface::Http),
            grpc: service.endpoint(Interface::Grpc),
            admin: service.endpoint(Interface::Admin),
        };
        Self {
            schema: SCHEMA,
            engine,
            project: plan.project.clone(),
            variants,
            started_at,
            services: plan.services.iter().map(|s| (s.name.clone(), addresses(s))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_record_is_not_read_and_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let local = Local::new(folder.path());
        fs::create_dir_all(local.standing_dir()).unwrap();
        let path = local.standing_dir().join("state.json");
        for (text, said) in [("{\"schema\":99}", "has version 99"), ("{\"sch", "is damaged")] {
            fs::write(&path, text).unwrap();
            let error = local.standing().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
