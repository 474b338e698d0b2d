//! The project's network.

use bollard::Docker;
use bollard::models::NetworkCreateRequest;

use super::connect::{failure, refusal};
use super::{Error, labels};
use crate::plan::StackPlan;

/// Creates the network of `plan`'s project, unless it exists.
///
/// # Errors
/// [`Error::ForeignNetwork`] when a network of that name does not belong to the project; another
/// [`Error`] when the daemon refuses.
pub(super) async fn ensure(docker: &Docker, plan: &StackPlan) -> Result<(), Error> {
    let name = labels::network_name(&plan.project);
    if let Some(project) = owner(docker, &name).await? {
        if project.as_deref() == Some(plan.project.as_str()) {
            return Ok(());
        }
        return Err(Error::ForeignNetwork { name });
    }
    let request = NetworkCreateRequest {
        name: name.clone(),
        driver: Some("bridge".to_owned()),
        labels: Some(labels::of_network(plan)),
        ..Default::default()
    };
    let made = docker.create_network(request).await;
    made.map_err(|error| failure(&format!("make the network `{name}`"), &error))?;
    Ok(())
}

/// Removes the network of `project`, if it belongs to a Compose project of that name.
///
/// # Errors
/// When the daemon refuses.
pub(super) async fn remove(docker: &Docker, project: &str) -> Result<(), Error> {
    let name = labels::network_name(project);
    if owner(docker, &name).await? != Some(Some(project.to_owned())) {
        return Ok(());
    }
    match docker.remove_network(&name).await {
        Ok(()) => Ok(()),
        Err(error) => match refusal(&error) {
            // A foreign container is connected to the network, which therefore stays.
            Some((403 | 404 | 409, _)) => Ok(()),
            _ => Err(failure(&format!("remove the network `{name}`"), &error)),
        },
    }
}

/// The project of the network called `name`; `None` when there is no such network.
async fn owner(docker: &Docker, name: &str) -> Result<Option<Option<String>>, Error> {
    match docker.inspect_network(name, None).await {
        Ok(network) => {
            Ok(Some(network.labels.and_then(|labels| labels.get(labels::PROJECT).cloned())))
        }
        Err(error) if refusal(&error).is_some_and(|(status, _)| status == 404) => Ok(None),
        Err(error) => Err(failure(&format!("look for the network `{name}`"), &error)),
    }
}
