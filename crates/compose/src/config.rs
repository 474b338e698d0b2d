//! The project as `docker compose config --format json` prints it.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::duration;
use super::model::{Dependency, HealthCheck, Mount, Network, Port, Project, Service};

/// The whole project with keys in the order of Compose, and with `$` escaped so that it can be read
/// again.
pub(super) fn json(project: &Project) -> Value {
    let mut top = Map::new();
    top.insert("name".to_owned(), json!(project.name));
    if !project.networks.is_empty() {
        let networks = project.networks.iter().map(|(key, value)| (key.clone(), network(value)));
        top.insert("networks".to_owned(), networks.collect());
    }
    let services = project.services.iter().map(|(key, value)| (key.clone(), service(value)));
    top.insert("services".to_owned(), services.collect());
    if !project.volumes.is_empty() {
        let volumes = project.volumes.iter().map(|(key, volume)| {
            let value = fields([
                ("name", json!(volume.name)),
                ("driver", json!(volume.driver)),
                ("external", truth(volume.external)),
            ]);
            (key.clone(), value)
        });
        top.insert("volumes".to_owned(), volumes.collect());
    }
    let mut extensions: Vec<(&String, &Value)> = project.extensions.iter().collect();
    extensions.sort_by_key(|(key, _)| *key);
    top.extend(extensions.into_iter().map(|(key, value)| (key.clone(), sorted(value))));
    escaped(&top.into())
}

fn network(network: &Network) -> Value {
    fields([
        ("name", json!(network.name)),
        ("driver", json!(network.driver)),
        ("ipam", json!({})),
        ("external", truth(network.external)),
        ("internal", truth(network.internal)),
    ])
}

fn service(service: &Service) -> Value {
    let depends_on: Map<String, Value> =
        service.depends_on.iter().map(|(key, value)| (key.clone(), dependency(value))).collect();
    let mut result = Map::new();
    // Compose prints these two even when they are empty.
    result.insert("command".to_owned(), json!(service.command));
    result.extend(members([("depends_on", unless_empty(depends_on))]));
    result.insert("entrypoint".to_owned(), json!(service.entrypoint));
    result.extend(members([
        ("environment", unless_empty(&service.environment)),
        ("expose", unless_empty(&service.expose)),
        ("healthcheck", service.healthcheck.as_ref().map_or(Value::Null, health_check)),
        ("image", json!(service.image)),
        ("labels", unless_empty(&service.labels)),
        ("networks", networks(service)),
        ("platform", json!(service.platform)),
        ("ports", unless_empty(service.ports.iter().map(port).collect::<Vec<_>>())),
        ("restart", json!(service.restart)),
        ("volumes", unless_empty(service.volumes.iter().map(mount).collect::<Vec<_>>())),
    ]));
    result.into()
}

fn networks(service: &Service) -> Value {
    let attached = service.networks.iter().map(|(key, attachment)| {
        let value = attachment
            .as_ref()
            .map_or(Value::Null, |a| fields([("aliases", unless_empty(&a.aliases))]));
        (key.clone(), value)
    });
    unless_empty(attached.collect::<Map<_, _>>())
}

fn dependency(dependency: &Dependency) -> Value {
    fields([
        ("condition", json!(dependency.condition)),
        ("restart", truth(dependency.restart)),
        ("required", json!(dependency.required)),
    ])
}

fn health_check(check: &HealthCheck) -> Value {
    let written = |value: Option<std::time::Duration>| json!(value.map(duration::format));
    fields([
        ("test", unless_empty(&check.test)),
        ("timeout", written(check.timeout)),
        ("interval", written(check.interval)),
        ("retries", json!(check.retries)),
        ("start_period", written(check.start_period)),
        ("disable", truth(check.disable)),
    ])
}

fn port(port: &Port) -> Value {
    fields([
        ("mode", json!(port.mode)),
        ("host_ip", json!(port.host_ip)),
        ("target", json!(port.target)),
        ("published", json!(port.published.map(|number| number.to_string()))),
        ("protocol", json!(port.protocol)),
    ])
}

fn mount(mount: &Mount) -> Value {
    fields([
        ("type", json!(mount.kind)),
        ("source", json!(mount.source)),
        ("target", json!(mount.target)),
        ("read_only", truth(mount.read_only)),
        (
            "bind",
            mount.bind.as_ref().map_or(Value::Null, |bind| {
                fields([("create_host_path", truth(bind.create_host_path))])
            }),
        ),
        ("volume", json!(mount.volume)),
    ])
}

/// An object without the members that are null.
fn fields<const N: usize>(all: [(&str, Value); N]) -> Value {
    members(all).collect()
}

fn members<const N: usize>(all: [(&str, Value); N]) -> impl Iterator<Item = (String, Value)> {
    all.into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.to_owned(), value))
}

fn truth(value: bool) -> Value {
    if value { json!(true) } else { Value::Null }
}

/// The list or mapping, or null if it is empty.
fn unless_empty(value: impl Serialize) -> Value {
    let value = json!(value);
    let empty =
        value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
    if empty { Value::Null } else { value }
}

/// Compose does not keep the order of keys that it does not know.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

fn escaped(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace('$', "$$").into(),
        Value::Array(items) => items.iter().map(escaped).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.replace('$', "$$"), escaped(value))).collect()
        }
        other => other.clone(),
    }
}
