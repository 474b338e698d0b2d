//! A stack that `docker compose up` has started.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use bollard::models::ContainerSummary;
use jiff::Timestamp;

use super::connect::Daemon;
use super::{Error, labels, list};
use crate::plan::blueprint::Variants;
use crate::plan::{Interface, StackPlan};
use crate::state::{Addresses, EngineKind, Standing};

/// The stack of `plan`'s project in this folder, if its containers exist.
///
/// # Errors
/// When the daemon refuses.
pub async fn standing(daemon: &Daemon, plan: &StackPlan) -> Result<Option<Standing>, Error> {
    let label = format!("{}={}", labels::PROJECT, plan.project);
    let found = list(&daemon.docker, &[label]).await?;
    let ours: Vec<_> = found.into_iter().filter(|c| is_of_folder(c, &plan.working_dir)).collect();
    let Some(created) = ours.iter().filter_map(|container| container.created).min() else {
        return Ok(None);
    };
    let mut services = BTreeMap::new();
    let mut variants = Variants::default();
    for container in &ours {
        let name = label_of(container, labels::SERVICE).unwrap_or_default();
        let Ok(service) = plan.service(name) else { continue };
        let reached = |interface| published(container, service.listen_port(interface)?);
        let addresses = Addresses {
            http: reached(Interface::Http),
            grpc: reached(Interface::Grpc),
            admin: reached(Interface::Admin),
        };
        let command = container.command.as_deref().unwrap_or_default();
        variants.namespaced |= command.contains("--enable-namespaces");
        variants.tls |= command.contains("-grpc-tls");
        services.insert(name.to_owned(), addresses);
    }
    let started = Timestamp::from_second(created).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut standing = Standing::of(plan, EngineKind::Docker, variants, started);
    standing.services = services;
    Ok(Some(standing))
}

fn label_of<'a>(container: &'a ContainerSummary, name: &str) -> Option<&'a str> {
    container.labels.as_ref()?.get(name).map(String::as_str)
}

/// Two folders may contain a project of the same name.
fn is_of_folder(container: &ContainerSummary, folder: &Path) -> bool {
    label_of(container, labels::WORKING_DIR).is_some_and(|label| Path::new(label) == folder)
}

fn published(container: &ContainerSummary, target: u16) -> Option<SocketAddr> {
    let mut ports = container.ports.iter().flatten();
    let port = ports.find(|port| port.private_port == target && port.public_port.is_some())?;
    let ip: IpAddr = port.ip.as_deref().and_then(|ip| ip.parse().ok())?;
    Some(SocketAddr::new(ip, port.public_port?))
}
