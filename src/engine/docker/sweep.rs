//! Containers and networks of stacks whose folder is gone or owned by nobody.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder};

use super::connect::{Daemon, fault};
use super::{is_gone, labels, list};
use crate::error::Result;

/// The folders of all stacks of ours that Docker knows.
///
/// # Errors
/// When the daemon refuses.
pub async fn folders(daemon: &Daemon) -> Result<BTreeSet<PathBuf>> {
    let found = list(&daemon.docker, &[labels::FOLDER.to_owned()]).await?;
    let folder = |container: ContainerSummary| container.labels?.remove(labels::FOLDER);
    Ok(found.into_iter().filter_map(folder).map(PathBuf::from).collect())
}

/// Removes every container and network that belongs to the stack in `folder`.
///
/// # Errors
/// When the daemon refuses.
pub async fn remove_stack(daemon: &Daemon, folder: &Path) -> Result<()> {
    let label = format!("{}={}", labels::FOLDER, folder.display());
    for container in list(&daemon.docker, std::slice::from_ref(&label)).await? {
        let Some(id) = container.id else { continue };
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match daemon.docker.remove_container(&id, Some(options)).await {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(fault("remove a container", &error).into()),
        }
    }
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = daemon.docker.list_networks(Some(options)).await;
    for network in networks.map_err(|error| fault("list its networks", &error))? {
        let Some(id) = network.id else { continue };
        match daemon.docker.remove_network(&id).await {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(fault("remove a network", &error).into()),
        }
    }
    Ok(())
}
