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
use demo_base::error::Result;
use demo_base::files::{self, lock::try_lock};
use demo_base::ready::{Attempt, poll};

/// Version of the format of the state file.
const SCHEMA: u32 = 1;

/// How long one command waits for another that is changing the stack.
const LOCK_DEADLINE: Duration = Duration::from_secs(60);

/// What is wrong with the record of the standing stack.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be parsed.
    #[error("the state file {} is damaged", path.display())]
    Damaged {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Another version of `demo` wrote it.
    #[error(
        "the state file {} has version {version}, but this demo supports {SCHEMA}",
        path.display()
    )]
    Version {
        /// Where it is.
        path: PathBuf,
        /// The version of its format.
        version: u32,
    },
}

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
    /// As [`files::removal::refuse_links`].
    pub fn refuse_links(&self, paths: &[PathBuf]) -> Result<(), demo_base::Error> {
        paths.iter().try_for_each(|path| files::removal::refuse_links(self.project_dir(), path))
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
    /// [`demo_base::Error::Unwritable`] or [`demo_base::Error::Unlockable`];
    /// [`demo_base::Error::Deadline`] when another command holds the lock for longer than a minute.
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
    /// [`demo_base::Error::Unreadable`], [`Error::Damaged`] or [`Error::Version`].
    pub fn standing(&self) -> Result<Option<Standing>> {
        let path = self.standing_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(files::unreadable(&path, "state file", error).into()),
        };
        let damaged = |source| Error::Damaged { path: path.clone(), source };
        let Version { schema } = serde_json::from_str(&text).map_err(damaged)?;
        if schema != SCHEMA {
            return Err(Error::Version { path, version: schema }.into());
        }
        Ok(Some(serde_json::from_str(&text).map_err(damaged)?))
    }

    /// Writes the record.
    ///
    /// # Errors
    /// [`demo_base::Error::Unwritable`].
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
    /// [`demo_base::Error::Unwritable`].
    pub fn save_restarts(&self, service: &str, count: u32) -> Result<(), demo_base::Error> {
        let text = format!("{count}\n");
        files::write_atomic(&self.restarts_path(service), text.as_bytes(), files::MODE_SHARED)
    }

    fn restarts_path(&self, service: &str) -> PathBuf {
        self.standing_dir().join(format!("{service}.restarts"))
    }

    /// Removes the record.
    ///
    /// # Errors
    /// [`demo_base::Error::Unwritable`].
    pub fn forget(&self) -> Result<(), demo_base::Error> {
        files::remove(&self.standing_path())
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
        let error_for = |text| {
            fs::write(&path, text).unwrap();
            let error = local.standing().unwrap_err().downcast().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            error
        };
        assert!(matches!(error_for("{\"schema\":99}"), Error::Version { version: 99, .. }));
        assert!(matches!(error_for("{\"sch"), Error::Damaged { .. }));
    }
}
