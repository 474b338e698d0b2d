//! Runs the stack as containers, using only the Docker API.
//!
//! The result is a Compose project: names and labels are those of Compose, so `docker compose ps`,
//! `logs`, `exec` and `down` work on it. The engine touches only containers of its project, and
//! addresses them by id.

pub mod build;
pub mod connect;
pub mod data;
pub mod discover;
pub mod emulation;
mod error;
mod health;
pub mod image;
mod labels;
mod logs;
mod network;
mod spec;
pub mod sweep;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;

use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use futures::future::LocalBoxFuture;
use futures::stream::LocalBoxStream;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;

use self::connect::{Daemon, failure, refusal};
pub use self::error::{Error, Unreachable};
use super::native::ports;
use super::{Engine, Instance, PortInUse, ServiceState, Stop};
use crate::plan::{ServicePlan, StackPlan};
use crate::state::EngineKind;
use demo_base::error::Result;
use demo_base::files;
use demo_base::progress::Progress;

/// How many seconds Docker waits for a server to stop before it kills it.
const GRACE: i32 = 10;

/// Runs one stack as containers.
#[derive(Debug)]
pub struct DockerEngine {
    daemon: Daemon,
    project: String,
    /// A request to create a container was sent, but its answer was not awaited.
    asked: RefCell<Option<PathBuf>>,
}

/// Progress of a pull that is not shown.
struct Unwatched;

impl Progress for Unwatched {
    fn phase(&self, _text: &str) {}
    fn bytes(&self, _done: u64, _total: Option<u64>) {}
}

impl DockerEngine {
    /// An engine for the stack of `project`.
    pub fn new(daemon: Daemon, project: &str) -> Self {
        Self { daemon, project: project.to_owned(), asked: RefCell::default() }
    }

    fn docker(&self) -> &Docker {
        &self.daemon.docker
    }

    /// The containers of a service, running or not.
    async fn containers(&self, service: &str) -> Result<Vec<ContainerSummary>, Error> {
        let wanted = [
            format!("{}={}", labels::PROJECT, self.project),
            format!("{}={service}", labels::SERVICE),
        ];
        list(self.docker(), &wanted).await
    }

    async fn inspect(&self, service: &str) -> Result<Option<ContainerInspectResponse>, Error> {
        let Some(id) = self.containers(service).await?.into_iter().find_map(|c| c.id) else {
            return Ok(None);
        };
        match self.docker().inspect_container(&id, None).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(failure(&format!("look at {service}"), &error)),
        }
    }

    async fn digest(&self, plan: &StackPlan, service: &ServicePlan) -> Result<(String, String)> {
        let reference = service
            .image
            .as_deref()
            .ok_or_else(|| Error::NoImage { service: service.name.clone() })?;
        let image =
            image::ensure(self.docker(), reference, service.platform.as_deref(), &Unwatched)
                .await?;
        let mounted = super::mounted_digest(service)?;
        let text = format!("{} {} {image} {mounted}", plan.project, service.digest());
        Ok((image, super::short_digest(&text)))
    }

    async fn create(&self, plan: &StackPlan, service: &ServicePlan) -> Result<()> {
        self.check_ports(service).await?;
        for mount in service.mounts.iter().filter(|mount| !mount.read_only) {
            files::create_dir(&mount.source, files::MODE_SHARED_DIR)?;
        }
        // A container that has ended still holds the name.
        self.remove_containers(&service.name).await?;
        let (image, digest) = self.digest(plan, service).await?;
        let body = spec::container(plan, service, &image, &digest)?;
        let name = labels::container_name(&plan.project, &service.name);
        let options = CreateContainerOptionsBuilder::new()
            .name(&name)
            .platform(service.platform.as_deref().unwrap_or_default())
            .build();
        self.asked.replace(Some(plan.working_dir.clone()));
        let created = self.docker().create_container(Some(options), body).await;
        self.asked.replace(None);
        let id = created
            .map_err(|error| match refusal(&error) {
                Some((409, _)) => Error::ForeignContainer { name },
                _ => failure(&format!("make a container for {}", service.name), &error),
            })?
            .id;
        if let Err(error) = self.docker().start_container(&id, None).await {
            let failed = start_failure(&service.name, &error);
            // A container that cannot be started is removed, so that it does not hold the name.
            self.remove_containers(&service.name).await.ok();
            return Err(failed);
        }
        Ok(())
    }

    async fn check_ports(&self, service: &ServicePlan) -> Result<()> {
        for port in &service.ports {
            let number = port.host.port();
            let filters = HashMap::from([("publish", vec![number.to_string()])]);
            let options = ListContainersOptionsBuilder::new().filters(&filters).build();
            let holders = self.docker().list_containers(Some(options)).await;
            let holders = holders.map_err(|error| failure("list its containers", &error))?;
            // The filter matches only port numbers; the port may be free on another address.
            let holds = |c: &ContainerSummary| {
                c.ports.iter().flatten().any(|p| p.public_port == Some(number))
            };
            if let Some(holder) = holders.iter().find(|container| holds(container)) {
                let name = holder.names.iter().flatten().next().map_or("?", String::as_str);
                return Err(super::Error::from(PortInUse::Container {
                    port: number,
                    container: name.trim_start_matches('/').to_owned(),
                    service: service.name.clone(),
                    interface: service.interface_at(port.host),
                })
                .into());
            }
        }
        if self.daemon.is_local() {
            ports::check_free(service)?;
        }
        Ok(())
    }

    async fn remove_containers(&self, service: &str) -> Result<bool, Error> {
        let mut any = false;
        for container in self.containers(service).await? {
            let Some(id) = container.id else { continue };
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            match self.docker().remove_container(&id, Some(options)).await {
                Ok(()) => any = true,
                Err(error) if is_gone(&error) => {}
                Err(error) => {
                    return Err(failure(&format!("remove the container of {service}"), &error));
                }
            }
        }
        Ok(any)
    }

    async fn stop_one(&self, service: &str, how: Stop) -> Result<bool, Error> {
        let running = self.inspect(service).await?.is_some_and(|found| is_running(&found));
        if running && how == Stop::Graceful {
            for container in self.containers(service).await? {
                let Some(id) = container.id else { continue };
                let options = StopContainerOptionsBuilder::new().t(GRACE).build();
                match self.docker().stop_container(&id, Some(options)).await {
                    Ok(()) => {}
                    Err(error) if is_gone(&error) => {}
                    Err(error) => return Err(failure(&format!("stop {service}"), &error)),
                }
            }
        }
        self.remove_containers(service).await?;
        Ok(running)
    }

    async fn state_of(&self, service: &str) -> Result<ServiceState, Error> {
        let Some(found) = self.inspect(service).await?.filter(is_running) else {
            return Ok(ServiceState::Stopped);
        };
        let id = found.id.as_deref().unwrap_or_default();
        let started = found.state.as_ref().and_then(|state| state.started_at.as_ref());
        Ok(ServiceState::Running(Instance {
            id: format!("container {}", &id[..id.len().min(12)]),
            started_at: started.and_then(|text| text.parse::<Timestamp>().ok()),
        }))
    }

    async fn as_planned(&self, plan: &StackPlan, service: &ServicePlan) -> Result<bool> {
        let Some(found) = self.inspect(&service.name).await? else { return Ok(false) };
        let (image, digest) = self.digest(plan, service).await?;
        let labels = found.config.as_ref().and_then(|config| config.labels.as_ref());
        match labels.and_then(|labels| labels.get(labels::DIGEST)) {
            Some(label) => Ok(*label == digest),
            // Compose made this container; it is used if it is what `demo` would make.
            None => Ok(spec::same(&found, &spec::container(plan, service, &image, &digest)?)),
        }
    }

    async fn read_logs(&self, service: &str, tail: Option<usize>) -> Result<String, Error> {
        let Some(id) = self.containers(service).await?.into_iter().find_map(|c| c.id) else {
            return Ok(String::new());
        };
        let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&tail).build();
        let mut chunks = std::pin::pin!(self.docker().logs(&id, Some(options)));
        let mut text = String::new();
        while let Some(chunk) = chunks.next().await {
            let chunk =
                chunk.map_err(|error| failure(&format!("read the log of {service}"), &error))?;
            text.push_str(&String::from_utf8_lossy(&chunk.into_bytes()));
        }
        Ok(text)
    }
}

/// Containers with all of these labels, running or not.
async fn list(docker: &Docker, wanted: &[String]) -> Result<Vec<ContainerSummary>, Error> {
    let filters = HashMap::from([("label", wanted.to_vec())]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = docker.list_containers(Some(options)).await;
    found.map_err(|error| failure("list its containers", &error))
}

/// The error for a container that Docker did not start.
fn start_failure(service: &str, error: &bollard::errors::Error) -> anyhow::Error {
    let request = format!("start {service}");
    match refusal(error) {
        // Docker's own words for a port of which it knows, and the system's for any other.
        Some((_, message))
            if [" in use", "already allocated"].iter().any(|w| message.contains(w)) =>
        {
            super::Error::from(PortInUse::Docker { request, source: message.into() }).into()
        }
        _ => failure(&request, error).into(),
    }
}

fn is_running(found: &ContainerInspectResponse) -> bool {
    let status = found.state.as_ref().and_then(|state| state.status.as_ref());
    status == Some(&ContainerStateStatusEnum::RUNNING)
}

/// Removed, or being removed, which is equivalent.
fn is_gone(error: &bollard::errors::Error) -> bool {
    match refusal(error) {
        Some((404, _)) => true,
        Some((409, message)) => message.contains("already in progress"),
        _ => false,
    }
}

impl Engine for DockerEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Docker
    }

    fn prepare<'a>(&'a self, plan: &'a StackPlan) -> LocalBoxFuture<'a, Result<()>> {
        async move { Ok(network::ensure(self.docker(), plan).await?) }.boxed_local()
    }

    fn start<'a>(
        &'a self,
        plan: &'a StackPlan,
        service: &'a ServicePlan,
    ) -> LocalBoxFuture<'a, Result<()>> {
        self.create(plan, service).boxed_local()
    }

    fn state<'a>(&'a self, service: &'a str) -> LocalBoxFuture<'a, Result<ServiceState>> {
        async move { Ok(self.state_of(service).await?) }.boxed_local()
    }

    fn matches<'a>(
        &'a self,
        plan: &'a StackPlan,
        service: &'a ServicePlan,
    ) -> LocalBoxFuture<'a, Result<bool>> {
        self.as_planned(plan, service).boxed_local()
    }

    /// Docker itself binds the ports, so whatever answers there is the container. What remains is
    /// the health check of the container, which is run now instead of at its next interval.
    fn is_healthy<'a>(
        &'a self,
        service: &'a ServicePlan,
    ) -> LocalBoxFuture<'a, Result<Option<String>>> {
        async move { Ok(self.run_health_check(service).await?) }.boxed_local()
    }

    fn stop<'a>(&'a self, service: &'a str, how: Stop) -> LocalBoxFuture<'a, Result<bool>> {
        async move { Ok(self.stop_one(service, how).await?) }.boxed_local()
    }

    fn logs<'a>(
        &'a self,
        service: &'a str,
        tail: Option<usize>,
    ) -> LocalBoxFuture<'a, Result<String>> {
        async move { Ok(self.read_logs(service, tail).await?) }.boxed_local()
    }

    fn follow<'a>(&'a self, service: &'a str) -> LocalBoxStream<'a, Result<String>> {
        logs::follow(self, service)
    }

    fn remove<'a>(&'a self, project: &'a str) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            let asked = self.asked.take();
            if let Some(folder) = asked {
                sweep::remove_stack(&self.daemon, &folder).await?;
            }
            Ok(network::remove(self.docker(), project).await?)
        }
        .boxed_local()
    }

    fn remove_files<'a>(
        &'a self,
        within: &'a std::path::Path,
        folder: &'a std::path::Path,
    ) -> LocalBoxFuture<'a, Result<()>> {
        data::remove(Some(&self.daemon), within, folder).boxed_local()
    }
}
