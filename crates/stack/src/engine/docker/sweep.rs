//! Removes containers and networks of stacks whose folder is gone or has no owner.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder};

use super::connect::{Daemon, failure};
use super::{Error, is_gone, labels, list};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};

/// The folders of all ephemeral stacks known to Docker.
///
/// # Errors
/// When the daemon refuses.
pub async fn folders(daemon: &Daemon) -> Result<BTreeSet<PathBuf>, Error> {
    let found = list(&daemon.docker, &[labels::FOLDER.to_owned()]).await?;
    let folder = |container: ContainerSummary| container.labels?.remove(labels::FOLDER);
    Ok(found.into_iter().filter_map(folder).map(PathBuf::from).collect())
}

/// How long the daemon may go on creating a container for a client that has disconnected.
const IN_FLIGHT: Duration = Duration::from_millis(700);
const DEADLINE: Duration = Duration::from_secs(15);

/// Removes every container and network of the stack in `folder`, including those that the daemon is
/// still creating for a run that was killed or interrupted.
///
/// # Errors
/// When the daemon refuses.
pub async fn remove_stack(daemon: &Daemon, folder: &Path) -> Result<()> {
    let label = format!("{}={}", labels::FOLDER, folder.display());
    let mut quiet_since = Instant::now();
    poll("Docker makes no more containers", DEADLINE, async || {
        let removed = remove_containers(daemon, &label).await?;
        if removed > 0 {
            quiet_since = Instant::now();
        }
        Ok(if quiet_since.elapsed() >= IN_FLIGHT {
            Attempt::Done(())
        } else {
            Attempt::Again(format!("{removed} removed"))
        })
    })
    .await?;
    Ok(remove_networks(daemon, label).await?)
}

async fn remove_containers(daemon: &Daemon, label: &str) -> Result<usize, Error> {
    let found = list(&daemon.docker, &[label.to_owned()]).await?;
    let count = found.len();
    for id in found.into_iter().filter_map(|container| container.id) {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match daemon.docker.remove_container(&id, Some(options)).await {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(failure("remove a container", &error)),
        }
    }
    Ok(count)
}

async fn remove_networks(daemon: &Daemon, label: String) -> Result<(), Error> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = daemon.docker.list_networks(Some(options)).await;
    for network in networks.map_err(|error| failure("list its networks", &error))? {
        let Some(id) = network.id else { continue };
        match daemon.docker.remove_network(&id).await {
            Ok(()) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(failure("remove a network", &error)),
        }
    }
    Ok(())
}
