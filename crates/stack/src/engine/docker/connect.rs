//! Finds the Docker engine and explains its errors.

use std::path::Path;
use std::time::Duration;

use bollard::Docker;
/// How a daemon describes itself.
pub use bollard::models::SystemInfo;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Error, Unreachable};
use demo_base::hex;

const DEFAULT: &str = "unix:///var/run/docker.sock";
/// A healthy daemon answers within milliseconds.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// The settings of the Docker client.
#[derive(Clone, Debug, Default)]
pub struct Whereabouts {
    /// `DOCKER_HOST`.
    pub host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub context: Option<String>,
    /// `DOCKER_CONFIG`, else `~/.docker`.
    pub config_dir: Option<std::path::PathBuf>,
}

/// The address of a daemon, and the setting it comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    pub url: String,
    pub named_by: String,
}

impl Whereabouts {
    /// Resolved as the `docker` program does it: `DOCKER_HOST`, `DOCKER_CONTEXT`, the current
    /// context, the default socket.
    ///
    /// # Errors
    /// [`Error::NoContext`].
    pub fn address(&self) -> Result<Address, Error> {
        if let Some(host) = &self.host {
            return Ok(Address { url: host.clone(), named_by: "DOCKER_HOST".to_owned() });
        }
        let context = self.context.clone().or_else(|| self.current_context());
        match (context.as_deref(), &self.config_dir) {
            (None | Some("default"), _) | (_, None) => {
                Ok(Address { url: DEFAULT.to_owned(), named_by: "the default".to_owned() })
            }
            (Some(name), Some(folder)) => {
                let url = context_host(folder, name)
                    .ok_or_else(|| Error::NoContext { name: name.to_owned() })?;
                Ok(Address { url, named_by: format!("the Docker context `{name}`") })
            }
        }
    }

    fn current_context(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.config_dir.as_ref()?.join("config.json")).ok()?;
        let config: Value = serde_json::from_str(&text).ok()?;
        config.get("currentContext")?.as_str().map(str::to_owned)
    }
}

/// The `docker` program keeps a context under the digest of its name.
fn context_host(config_dir: &Path, name: &str) -> Option<String> {
    let digest = hex::encode(&Sha256::digest(name));
    let path = config_dir.join("contexts/meta").join(digest).join("meta.json");
    let meta: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    meta.pointer("/Endpoints/docker/Host")?.as_str().map(str::to_owned)
}

/// A daemon that answers.
#[derive(Clone, Debug)]
pub struct Daemon {
    pub docker: Docker,
    pub address: Address,
    /// Such as `20.10.24`.
    pub version: String,
    /// Such as `1.41`.
    pub api: String,
}

impl Daemon {
    /// Connects and agrees on an API version.
    ///
    /// # Errors
    /// [`Error::NoContext`]; [`Error::Unreachable`] or [`Error::Silent`] when no daemon answers, or
    /// when this user may not use it.
    pub async fn connect(whereabouts: &Whereabouts) -> Result<Self, Error> {
        let address = whereabouts.address()?;
        let docker = Docker::connect_with_host(&address.url)
            .map_err(|error| unreachable(&address, &error))?;
        let negotiated = tokio::time::timeout(FIRST_ANSWER, docker.negotiate_version()).await;
        let docker = negotiated
            .map_err(|_| Error::Silent { url: address.url.clone() })?
            .map_err(|error| unreachable(&address, &error))?;
        let said = docker.version().await.map_err(|error| unreachable(&address, &error))?;
        let version = said.version.unwrap_or_default();
        let api = docker.client_version().to_string();
        Ok(Self { docker, address, version, api })
    }

    /// Whether the daemon's ports are this machine's.
    pub fn is_local(&self) -> bool {
        self.address.url.starts_with("unix://")
    }
}

fn unreachable(address: &Address, error: &bollard::errors::Error) -> Error {
    let text = root(error);
    let reason = if text.contains("ermission denied") {
        Unreachable::Permission
    } else if matches!(error, bollard::errors::Error::UnsupportedURISchemeError { .. }) {
        Unreachable::Scheme
    } else {
        Unreachable::Absent
    };
    let Address { url, named_by } = address.clone();
    Error::Unreachable { url, named_by, reason, source: text.into() }
}

/// The innermost cause of an error.
pub(super) fn root(error: &bollard::errors::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// The status and message of an error response.
pub(super) fn refusal(error: &bollard::errors::Error) -> Option<(u16, &str)> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, message } => {
            Some((*status_code, message.as_str()))
        }
        _ => None,
    }
}

/// The error for a request that failed on a connected daemon.
pub(super) fn failure(request: &str, error: &bollard::errors::Error) -> Error {
    let request = request.to_owned();
    match refusal(error) {
        Some((_, message)) if message.contains("no space left") => {
            Error::DiskFull { request, source: message.into() }
        }
        Some((_, message)) => Error::Refused { request, source: message.into() },
        None => Error::Lost { request, source: root(error).into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_beats_the_context_and_the_context_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let meta = folder.path().join("contexts/meta").join(hex::encode(&Sha256::digest("colima")));
        std::fs::create_dir_all(&meta).unwrap();
        let text = r#"{"Endpoints":{"docker":{"Host":"unix:///colima.sock"}}}"#;
        std::fs::write(meta.join("meta.json"), text).unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"currentContext":"colima"}"#)
            .unwrap();
        let mut whereabouts =
            Whereabouts { config_dir: Some(folder.path().to_path_buf()), ..Default::default() };
        assert_eq!(whereabouts.address().unwrap().url, "unix:///colima.sock");
        whereabouts.context = Some("gone".to_owned());
        let error = whereabouts.address().unwrap_err();
        assert!(matches!(error, Error::NoContext { name } if name == "gone"));
        whereabouts.host = Some("tcp://127.0.0.1:2375".to_owned());
        assert_eq!(whereabouts.address().unwrap().url, "tcp://127.0.0.1:2375");
        assert_eq!(Whereabouts::default().address().unwrap().url, DEFAULT);
    }
}
