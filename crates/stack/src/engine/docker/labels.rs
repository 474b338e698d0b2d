//! Labels and names as Compose sets them, so that its own commands can manage what is made here,
//! and a few labels of `demo`.

use std::collections::{BTreeMap, HashMap};

use crate::plan::{Condition, ServicePlan, StackPlan};

pub(super) const PROJECT: &str = "com.docker.compose.project";
pub(super) const SERVICE: &str = "com.docker.compose.service";
const NUMBER: &str = "com.docker.compose.container-number";
const ONE_OFF: &str = "com.docker.compose.oneoff";
pub(super) const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
const DEPENDS_ON: &str = "com.docker.compose.depends_on";
const IMAGE: &str = "com.docker.compose.image";
const VERSION: &str = "com.docker.compose.version";
/// Compose ignores a container without this label. Its own `up` recreates a container whose value
/// differs from the digest of its configuration, which the value set here always does.
const CONFIG_HASH: &str = "com.docker.compose.config-hash";
const NETWORK: &str = "com.docker.compose.network";

/// The version of Compose whose labels these are.
const COMPOSE_VERSION: &str = "2.26.1";

/// The digest of what a container was made from: see `Engine::matches`. A container that has this
/// label was made by `demo`.
pub(super) const DIGEST: &str = "libsql-demo.digest";
/// The folder of the ephemeral stack to which a container belongs.
pub(super) const FOLDER: &str = "libsql-demo.folder";

/// The name of a service's only container.
pub(super) fn container_name(project: &str, service: &str) -> String {
    format!("{project}-{service}-1")
}

/// The name of a project's network.
pub(super) fn network_name(project: &str) -> String {
    format!("{project}_default")
}

/// The labels of a service's container.
pub(super) fn of_container(
    plan: &StackPlan,
    service: &ServicePlan,
    image_id: &str,
    digest: &str,
) -> HashMap<String, String> {
    let files: Vec<String> =
        plan.config_files.iter().map(|path| path.display().to_string()).collect();
    let mut labels: HashMap<String, String> =
        service.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let fixed = [
        (PROJECT, plan.project.clone()),
        (SERVICE, service.name.clone()),
        (NUMBER, "1".to_owned()),
        (ONE_OFF, "False".to_owned()),
        (WORKING_DIR, plan.working_dir.display().to_string()),
        (CONFIG_FILES, files.join(",")),
        (DEPENDS_ON, dependencies(&service.depends_on)),
        (IMAGE, image_id.to_owned()),
        (VERSION, COMPOSE_VERSION.to_owned()),
        (CONFIG_HASH, digest.to_owned()),
        (DIGEST, digest.to_owned()),
        (FOLDER, plan.working_dir.display().to_string()),
    ];
    labels.extend(fixed.map(|(name, value)| (name.to_owned(), value)));
    labels
}

/// The labels of a project's network.
pub(super) fn of_network(plan: &StackPlan) -> HashMap<String, String> {
    let fixed = [
        (NETWORK, "default".to_owned()),
        (PROJECT, plan.project.clone()),
        (VERSION, COMPOSE_VERSION.to_owned()),
        (FOLDER, plan.working_dir.display().to_string()),
    ];
    fixed.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Such as `primary:service_healthy:false`; the last word is `restart` of Compose.
fn dependencies(services: &BTreeMap<String, Condition>) -> String {
    let one = |(name, condition): (&String, &Condition)| match condition {
        Condition::ServiceStarted => format!("{name}:service_started:false"),
        Condition::ServiceHealthy => format!("{name}:service_healthy:false"),
    };
    services.iter().map(one).collect::<Vec<_>>().join(",")
}
