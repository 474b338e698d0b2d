//! Checks that need the merged project: references, and missing keys.

use super::model::{MountKind, Project, Service};
use demo_base::error::Result;
use demo_config::Error;
use demo_config::place::Place;

/// Refuses a project that refers to something it does not declare.
pub(super) fn project(project: &Project, place: &Place) -> Result<()> {
    if project.services.is_empty() {
        return Err(place.invalid("there are no services").into());
    }
    let services = place.key("services");
    for (name, entry) in &project.services {
        service(project, entry, &services.key(name))?;
    }
    super::order::dependencies_first(&project.services)?;
    Ok(())
}

fn service(project: &Project, service: &Service, place: &Place) -> Result<(), Error> {
    if service.image.as_deref().is_none_or(str::is_empty) {
        return Err(place.invalid("`image` is missing"));
    }
    for (name, dependency) in &service.depends_on {
        if dependency.required && !project.services.contains_key(name) {
            return Err(place.key("depends_on").invalid(format!("there is no service `{name}`")));
        }
    }
    for name in service.networks.keys() {
        if !project.networks.contains_key(name) {
            return Err(place.key("networks").invalid_with_help(
                format!("the network `{name}` is not declared"),
                format!("declare `{name}` under the top-level `networks`"),
            ));
        }
    }
    for mount in service.volumes.iter().filter(|mount| mount.kind == MountKind::Volume) {
        if let Some(name) =
            mount.source.as_ref().filter(|name| !project.volumes.contains_key(*name))
        {
            return Err(place.key("volumes").invalid_with_help(
                format!("the volume `{name}` is not declared"),
                format!(
                    "declare `{name}` under the top-level `volumes`, or write `./{name}` for a folder"
                ),
            ));
        }
    }
    restart(service.restart.as_deref(), &place.key("restart"))
}

fn restart(policy: Option<&str>, place: &Place) -> Result<(), Error> {
    match policy {
        None | Some("no" | "always" | "on-failure" | "unless-stopped") => Ok(()),
        Some(other) => {
            let times = other.strip_prefix("on-failure:").and_then(|n| n.parse::<u32>().ok());
            times
                .map(drop)
                .ok_or_else(|| place.invalid(format!("`{other}` is not a restart policy")))
        }
    }
}
