//! The contract between the compose files and the engines.
//!
//! A [`StackPlan`] is made from a compose project by a pure function. An engine
//! takes a plan and reads nothing else: no environment, no flags, no files.

pub mod blueprint;
mod build;
mod error;
pub mod native;
pub mod restart;
mod secrets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

pub use error::Error;

use demo_base::hex;

/// Version of the JSON format of a plan.
pub const SCHEMA: u32 = 1;

/// Everything an engine needs to know to run a stack.
///
/// Serialises with its secrets masked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StackPlan {
    pub schema: u32,
    /// The compose project's name.
    pub project: String,
    /// The folder against which relative paths in the compose files were resolved.
    pub working_dir: PathBuf,
    pub config_files: Vec<PathBuf>,
    /// In start order: dependencies come first.
    pub services: Vec<ServicePlan>,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServicePlan {
    pub name: String,
    pub role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(serialize_with = "secrets::masked_arguments")]
    pub command: Vec<String>,
    #[serde(serialize_with = "secrets::masked_variables")]
    pub environment: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub ports: Vec<PortPlan>,
    pub mounts: Vec<MountPlan>,
    pub depends_on: BTreeMap<String, Condition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthPlan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<String>,
}

/// The role that `SQLD_NODE` gives to a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Accepts writes.
    Primary,
    /// Replicates a primary.
    Replica,
    /// Neither of the two: a server on its own.
    Standalone,
}

/// A port of the service, published on an address of the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct PortPlan {
    pub host: SocketAddr,
    /// The port inside the container.
    pub target: u16,
}

/// A file or folder of the host that is mounted into the container.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MountPlan {
    pub source: PathBuf,
    pub target: String,
    pub read_only: bool,
}

/// The condition on another service that a service waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    ServiceStarted,
    ServiceHealthy,
}

/// The container's own health check.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct HealthPlan {
    pub test: Vec<String>,
    #[serde(serialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    #[serde(serialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    #[serde(serialize_with = "seconds", skip_serializing_if = "Option::is_none")]
    pub start_period: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// The interfaces on which a server listens.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    /// Clients: Hrana over HTTP.
    Http,
    /// Replicas and embedded replicas.
    Grpc,
    /// The Admin API.
    Admin,
}

impl fmt::Display for Interface {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Http => "HTTP",
            Self::Grpc => "gRPC",
            Self::Admin => "admin",
        })
    }
}

impl StackPlan {
    /// The service called `name`.
    ///
    /// # Errors
    /// [`Error::NoService`].
    pub fn service(&self, name: &str) -> Result<&ServicePlan, Error> {
        self.services.iter().find(|service| service.name == name).ok_or_else(|| {
            let services = self.services.iter().map(|service| service.name.clone()).collect();
            Error::NoService { name: name.to_owned(), services }
        })
    }

    /// The plan reduced to `name` and what it depends on.
    ///
    /// # Errors
    /// [`Error::NoService`].
    pub fn only(mut self, name: &str) -> Result<Self, Error> {
        let mut wanted = vec![self.service(name)?.name.clone()];
        let mut next = 0;
        while next < wanted.len() {
            let dependencies = self.service(&wanted[next])?.depends_on.keys().cloned();
            let new: Vec<String> = dependencies.filter(|name| !wanted.contains(name)).collect();
            wanted.extend(new);
            next += 1;
        }
        self.services.retain(|service| wanted.contains(&service.name));
        Ok(self)
    }

    /// How many ports are published.
    pub fn port_count(&self) -> usize {
        self.services.iter().map(|service| service.ports.len()).sum()
    }

    /// The same stack on other ports of the host, in the order of the services.
    #[must_use]
    pub fn with_ports(mut self, ports: &[u16]) -> Self {
        let published = self.services.iter_mut().flat_map(|service| &mut service.ports);
        for (port, number) in published.zip(ports) {
            port.host.set_port(*number);
        }
        self
    }

    /// The key of the Admin API, if a service has one.
    pub fn admin_key(&self) -> Option<&str> {
        let keys = self.services.iter().filter_map(|s| s.environment.get("LIBSQL_ADMIN_AUTH_KEY"));
        keys.map(String::as_str).next()
    }
}

impl ServicePlan {
    /// The address of the host that reaches port `target` of the service.
    pub fn published(&self, target: u16) -> Option<SocketAddr> {
        let port = self.ports.iter().find(|port| port.target == target)?;
        // A wildcard address is only for listening; clients connect to loopback.
        Some(match port.host.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => {
                SocketAddr::from(([127, 0, 0, 1], port.host.port()))
            }
            _ => port.host,
        })
    }

    /// The address by which the host reaches an interface of the server; `None` if the server does
    /// not listen on it or the port is not published.
    pub fn endpoint(&self, interface: Interface) -> Option<SocketAddr> {
        self.published(self.listen_port(interface)?)
    }

    /// The interface that the host reaches at `address`.
    pub fn interface_at(&self, address: SocketAddr) -> Option<Interface> {
        let interfaces = [Interface::Http, Interface::Grpc, Interface::Admin];
        interfaces.into_iter().find(|interface| self.endpoint(*interface) == Some(address))
    }

    /// The port inside the container on which the server listens.
    ///
    /// The defaults are those of the image's entrypoint: 8080 for HTTP and 5001 for the gRPC of a
    /// primary. The Admin API has no default.
    pub fn listen_port(&self, interface: Interface) -> Option<u16> {
        let (flag, variable, default) = match interface {
            Interface::Http => ("--http-listen-addr", "SQLD_HTTP_LISTEN_ADDR", Some(8080)),
            Interface::Grpc => (
                "--grpc-listen-addr",
                "SQLD_GRPC_LISTEN_ADDR",
                (self.role == Role::Primary).then_some(5001),
            ),
            Interface::Admin => ("--admin-listen-addr", "SQLD_ADMIN_LISTEN_ADDR", None),
        };
        let address =
            self.argument(flag).or_else(|| self.environment.get(variable).map(String::as_str));
        match address {
            Some(text) => text.rsplit_once(':')?.1.parse().ok(),
            None => default,
        }
    }

    /// The folder of the host in which the server keeps one folder per namespace; `None` if its
    /// data is not in a mount.
    pub fn namespaces_dir(&self) -> Option<PathBuf> {
        let path = self.environment.get("SQLD_DB_PATH")?;
        let on_host = self.mounts.iter().find_map(|mount| {
            let rest = std::path::Path::new(path).strip_prefix(&mount.target).ok()?;
            Some(mount.source.join(rest))
        });
        Some(on_host?.join("dbs"))
    }

    /// The value of `--flag VALUE` or `--flag=VALUE` in the command.
    pub fn argument(&self, flag: &str) -> Option<&str> {
        let mut words = self.command.iter();
        while let Some(word) = words.next() {
            if word == flag {
                return words.next().map(String::as_str);
            }
            if let Some(value) = word.strip_prefix(flag).and_then(|rest| rest.strip_prefix('=')) {
                return Some(value);
            }
        }
        None
    }

    /// Whether the command has a flag.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.command.iter().any(|word| word == flag)
    }

    /// A digest of the whole service, secrets included: equal plans have equal digests.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(format!("{self:?}"));
        hex::encode(&hasher.finalize()[..16])
    }
}

// serde passes a reference to the field itself, which is an `Option`.
#[expect(clippy::ref_option)]
fn seconds<S: serde::Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_secs_f64()).serialize(serializer)
}
