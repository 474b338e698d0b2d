//! Translates the plan of a service into a request to the Docker API, without I/O.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{
    ContainerConfig, ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HealthConfig,
    HostConfig, NetworkingConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};

use super::labels;
use crate::plan::restart::Restart;
use crate::plan::{self, HealthPlan, PortPlan, ServicePlan, StackPlan};

/// The container of `service`.
///
/// # Errors
/// [`plan::Error::NotARestartPolicy`].
pub(super) fn container(
    plan: &StackPlan,
    service: &ServicePlan,
    image_id: &str,
    digest: &str,
) -> Result<ContainerCreateBody, plan::Error> {
    let network = labels::network_name(&plan.project);
    let endpoint = EndpointSettings {
        aliases: Some(vec![
            labels::container_name(&plan.project, &service.name),
            service.name.clone(),
        ]),
        ..Default::default()
    };
    Ok(ContainerCreateBody {
        image: service.image.clone(),
        cmd: some(&service.command),
        entrypoint: service.entrypoint.clone(),
        env: Some(environment(service)),
        exposed_ports: Some(service.ports.iter().map(target).collect()),
        labels: Some(labels::of_container(plan, service, image_id, digest)),
        healthcheck: service.health.as_ref().map(health),
        host_config: Some(HostConfig {
            binds: Some(binds(service)),
            port_bindings: Some(service.ports.iter().map(binding).collect()),
            network_mode: Some(network.clone()),
            restart_policy: Some(restart(service)?),
            ..Default::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network, endpoint)])),
        }),
        ..Default::default()
    })
}

fn some(words: &[String]) -> Option<Vec<String>> {
    (!words.is_empty()).then(|| words.to_vec())
}

fn environment(service: &ServicePlan) -> Vec<String> {
    service.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn binds(service: &ServicePlan) -> Vec<String> {
    let bind = |mount: &crate::plan::MountPlan| {
        let mode = if mount.read_only { "ro" } else { "rw" };
        format!("{}:{}:{mode}", mount.source.display(), mount.target)
    };
    service.mounts.iter().map(bind).collect()
}

fn target(port: &PortPlan) -> String {
    format!("{}/tcp", port.target)
}

fn binding(port: &PortPlan) -> (String, Option<Vec<PortBinding>>) {
    let published = PortBinding {
        host_ip: Some(port.host.ip().to_string()),
        host_port: Some(port.host.port().to_string()),
    };
    (target(port), Some(vec![published]))
}

fn health(plan: &HealthPlan) -> HealthConfig {
    let nanoseconds =
        |duration: Option<Duration>| duration.and_then(|d| i64::try_from(d.as_nanos()).ok());
    HealthConfig {
        test: Some(plan.test.clone()),
        interval: nanoseconds(plan.interval),
        timeout: nanoseconds(plan.timeout),
        start_period: nanoseconds(plan.start_period),
        retries: plan.retries.map(i64::from),
        ..Default::default()
    }
}

fn restart(service: &ServicePlan) -> Result<RestartPolicy, plan::Error> {
    let (name, maximum) = match Restart::of(service)? {
        Restart::No => (RestartPolicyNameEnum::NO, None),
        Restart::Always => (RestartPolicyNameEnum::ALWAYS, None),
        Restart::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        Restart::OnFailure(most) => (RestartPolicyNameEnum::ON_FAILURE, most),
    };
    Ok(RestartPolicy { name: Some(name), maximum_retry_count: maximum.map(i64::from) })
}

/// Whether a container that Compose made is what the plan asks for.
pub(super) fn same(found: &ContainerInspectResponse, wanted: &ContainerCreateBody) -> bool {
    let (Some(config), Some(host)) = (&found.config, &found.host_config) else { return false };
    let Some(wanted_host) = &wanted.host_config else { return false };
    let sorted = |list: &Option<Vec<String>>| {
        let mut list = list.clone().unwrap_or_default();
        list.sort();
        list
    };
    config.image == wanted.image
        && config.cmd == wanted.cmd
        && has_environment(config, wanted)
        && sorted(&host.binds) == sorted(&wanted_host.binds)
        && host.port_bindings == wanted_host.port_bindings
}

/// The image adds variables of its own.
fn has_environment(config: &ContainerConfig, wanted: &ContainerCreateBody) -> bool {
    let found = config.env.as_deref().unwrap_or_default();
    wanted.env.iter().flatten().all(|variable| found.contains(variable))
}
