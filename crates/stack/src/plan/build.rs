//! From a compose project to a [`StackPlan`].

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::{
    Condition, Error, HealthPlan, MountPlan, PortPlan, Role, SCHEMA, ServicePlan, StackPlan,
};
use demo_compose::model::{self, Project, Service};

impl StackPlan {
    /// Makes the plan of `project`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::OpenPort`] for what the engines do not support; an error of
    /// [`demo_compose`] when services depend on each other in a circle.
    pub fn build(
        project: &Project,
        working_dir: PathBuf,
        config_files: Vec<PathBuf>,
    ) -> demo_base::error::Result<Self> {
        let services = project
            .start_order()?
            .into_iter()
            .map(|name| service_plan(name, &project.services[name]))
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            schema: SCHEMA,
            project: project.name.clone(),
            working_dir,
            config_files,
            services,
        })
    }
}

fn service_plan(name: &str, service: &Service) -> Result<ServicePlan, Error> {
    let environment: BTreeMap<String, String> = service
        .environment
        .iter()
        .filter_map(|(variable, value)| Some((variable.clone(), value.clone()?)))
        .collect();
    Ok(ServicePlan {
        name: name.to_owned(),
        role: role(name, &environment)?,
        image: service.image.clone(),
        platform: service.platform.clone(),
        entrypoint: service.entrypoint.clone(),
        command: service.command.clone().unwrap_or_default(),
        environment,
        labels: service.labels.clone(),
        ports: service.ports.iter().map(|port| port_plan(name, port)).collect::<Result<_, _>>()?,
        mounts: service.volumes.iter().map(|m| mount_plan(name, m)).collect::<Result<_, _>>()?,
        depends_on: service
            .depends_on
            .iter()
            .map(|(other, dependency)| Ok((other.clone(), condition(name, dependency)?)))
            .collect::<Result<_, Error>>()?,
        health: service.healthcheck.as_ref().and_then(health_plan),
        restart: service.restart.clone(),
    })
}

fn unsupported(service: &str, key: &'static str, problem: impl Into<String>) -> Error {
    Error::Unsupported { service: service.to_owned(), key, problem: problem.into() }
}

/// The image compares case-sensitively and silently runs anything else as a standalone server, so a
/// typo must be refused here.
fn role(service: &str, environment: &BTreeMap<String, String>) -> Result<Role, Error> {
    match environment.get("SQLD_NODE").map(String::as_str) {
        Some("primary") => Ok(Role::Primary),
        Some("replica") => Ok(Role::Replica),
        Some("standalone") | None => Ok(Role::Standalone),
        Some(other) => Err(unsupported(
            service,
            "environment.SQLD_NODE",
            format!("`{other}` is not one of primary, replica, standalone"),
        )),
    }
}

fn port_plan(service: &str, port: &model::Port) -> Result<PortPlan, Error> {
    if port.protocol != model::Protocol::Tcp {
        return Err(unsupported(service, "ports", "the server speaks TCP only"));
    }
    let Some(published) = port.published else {
        let what = format!("{} must be published on a port of the host", port.target);
        return Err(unsupported(service, "ports", what));
    };
    let host_ip = port.host_ip.as_deref().unwrap_or("0.0.0.0");
    let ip: IpAddr = host_ip
        .parse()
        .map_err(|_| unsupported(service, "ports", format!("`{host_ip}` is not an IP address")))?;
    if ip != IpAddr::V4(Ipv4Addr::LOCALHOST) {
        // Anyone who can reach the gRPC port can read and write every namespace.
        let (service, target) = (service.to_owned(), port.target);
        return Err(Error::OpenPort { service, ip, published, target });
    }
    Ok(PortPlan { host: SocketAddr::new(ip, published), target: port.target })
}

fn mount_plan(service: &str, mount: &model::Mount) -> Result<MountPlan, Error> {
    match (mount.kind, &mount.source) {
        (model::MountKind::Bind, Some(source)) => Ok(MountPlan {
            source: PathBuf::from(source),
            target: mount.target.trim_end_matches('/').to_owned(),
            read_only: mount.read_only,
        }),
        _ => Err(unsupported(
            service,
            "volumes",
            format!("{} is not a host folder; mount one, such as ./.local/data", mount.target),
        )),
    }
}

fn condition(service: &str, dependency: &model::Dependency) -> Result<Condition, Error> {
    match dependency.condition {
        model::Condition::ServiceStarted => Ok(Condition::ServiceStarted),
        model::Condition::ServiceHealthy => Ok(Condition::ServiceHealthy),
        model::Condition::ServiceCompletedSuccessfully => {
            Err(unsupported(service, "depends_on", "a server never completes"))
        }
    }
}

fn health_plan(health: &model::HealthCheck) -> Option<HealthPlan> {
    if health.disable {
        return None;
    }
    Some(HealthPlan {
        test: health.test.clone(),
        interval: health.interval,
        timeout: health.timeout,
        start_period: health.start_period,
        retries: health.retries,
    })
}
