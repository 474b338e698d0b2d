//! The typed project, limited to the keys that demo supports.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Error, config, duration, order};

/// The network of every service that does not list any.
pub(super) const DEFAULT_NETWORK: &str = "default";

/// Compose files, merged and checked. `$` is no longer escaped in the values.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Project {
    pub name: String,
    pub services: BTreeMap<String, Service>,
    pub networks: BTreeMap<String, Network>,
    pub volumes: BTreeMap<String, NamedVolume>,
    /// The `x-` keys of the top level.
    pub extensions: Map<String, Value>,
}

impl Project {
    /// The services in start order: dependencies first, then by name.
    ///
    /// # Errors
    /// [`Error::Circle`] if services depend on each other.
    pub fn start_order(&self) -> Result<Vec<&str>, Error> {
        order::dependencies_first(&self.services)
    }

    /// The project as `docker compose config --format json` prints it.
    #[must_use]
    pub fn to_config_json(&self) -> Value {
        config::json(self)
    }

    /// Fills in what the files leave to Compose: names, the default network and the environment
    /// variables that are passed through.
    pub(super) fn fill_in(&mut self, variables: &BTreeMap<String, String>) {
        for service in self.services.values_mut() {
            if service.networks.is_empty() {
                service.networks.insert(DEFAULT_NETWORK.to_owned(), None);
            }
            for (name, value) in &mut service.environment {
                if value.is_none() {
                    *value = variables.get(name).cloned();
                }
            }
        }
        self.networks.entry(DEFAULT_NETWORK.to_owned()).or_default();
        let full = |key: &str, external: bool| {
            if external { key.to_owned() } else { format!("{}_{key}", self.name) }
        };
        for (key, network) in &mut self.networks {
            network.name.get_or_insert_with(|| full(key, network.external));
        }
        for (key, volume) in &mut self.volumes {
            volume.name.get_or_insert_with(|| full(key, volume.external));
        }
    }

    /// Removes the networks and volumes that no service uses, as Compose does.
    pub(super) fn drop_unused(&mut self) {
        let services = &self.services;
        self.networks.retain(|key, _| services.values().any(|s| s.networks.contains_key(key)));
        self.volumes.retain(|key, _| {
            services.values().flat_map(|s| &s.volumes).any(|mount| {
                mount.kind == MountKind::Volume && mount.source.as_deref() == Some(key)
            })
        });
    }
}

/// One service of the project.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Service {
    pub image: Option<String>,
    pub platform: Option<String>,
    pub command: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    /// `None` is passed through from outside, but is not set there either.
    pub environment: BTreeMap<String, Option<String>>,
    pub labels: BTreeMap<String, String>,
    pub expose: Vec<String>,
    pub ports: Vec<Port>,
    pub volumes: Vec<Mount>,
    pub depends_on: BTreeMap<String, Dependency>,
    pub healthcheck: Option<HealthCheck>,
    pub restart: Option<String>,
    /// Never empty after loading; `None` where only the name is given.
    pub networks: BTreeMap<String, Option<Attachment>>,
}

/// How a service is attached to a network.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attachment {
    pub aliases: Vec<String>,
}

/// A port of a container, and the host port on which it is published.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    #[serde(default)]
    pub mode: PortMode,
    #[serde(default)]
    pub host_ip: Option<String>,
    pub target: u16,
    /// `None` and 0 mean any free port.
    #[serde(default)]
    pub published: Option<u16>,
    #[serde(default)]
    pub protocol: Protocol,
}

/// How a cluster publishes a port; without a cluster it makes no difference.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PortMode {
    #[default]
    Ingress,
    Host,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
}

/// A file, folder or volume that is mounted into a container.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    #[serde(rename = "type")]
    pub kind: MountKind,
    /// The absolute path of a bind or the key of a named volume; an anonymous volume has none.
    #[serde(default)]
    pub source: Option<String>,
    pub target: String,
    #[serde(default)]
    pub read_only: bool,
    #[serde(default)]
    pub bind: Option<BindOptions>,
    #[serde(default)]
    pub volume: Option<VolumeOptions>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    Bind,
    Volume,
}

/// The options of a bind mount besides its paths.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BindOptions {
    pub create_host_path: bool,
}

/// The options of a volume mount besides its name; this subset has none.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeOptions {}

/// The condition on another service before this one starts.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    pub condition: Condition,
    /// Restart when the other service restarts.
    #[serde(default)]
    pub restart: bool,
    #[serde(default = "yes")]
    pub required: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    ServiceStarted,
    ServiceHealthy,
    ServiceCompletedSuccessfully,
}

/// How to check whether a service works.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthCheck {
    /// `CMD`, `CMD-SHELL` or `NONE`, followed by the words; empty means the image's own check.
    pub test: Vec<String>,
    #[serde(with = "duration::optional")]
    pub interval: Option<Duration>,
    #[serde(with = "duration::optional")]
    pub timeout: Option<Duration>,
    pub retries: Option<u32>,
    #[serde(with = "duration::optional")]
    pub start_period: Option<Duration>,
    pub disable: bool,
}

/// A network of the project.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// The name in the engine; always set after loading.
    pub name: Option<String>,
    pub driver: Option<String>,
    /// Created outside the project.
    pub external: bool,
    pub internal: bool,
}

/// A named volume of the project.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct NamedVolume {
    /// The name in the engine; always set after loading.
    pub name: Option<String>,
    pub driver: Option<String>,
    /// Created outside the project.
    pub external: bool,
}
