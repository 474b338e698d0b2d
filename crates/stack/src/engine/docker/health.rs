//! Runs the health check of a container immediately.
//!
//! Docker runs it only at its interval (engine 20.10 has no start interval), which makes `docker
//! compose up` wait half a second for each server.

use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures::StreamExt;

use super::connect::failure;
use super::{DockerEngine, Error};
use crate::plan::ServicePlan;

impl DockerEngine {
    /// `None` when it passes or there is none, else its output.
    pub(super) async fn run_health_check(
        &self,
        service: &ServicePlan,
    ) -> Result<Option<String>, Error> {
        let Some(command) = service.health.as_ref().and_then(|health| command(&health.test)) else {
            return Ok(None);
        };
        let Some(id) = self.containers(&service.name).await?.into_iter().find_map(|c| c.id) else {
            return Ok(Some("there is no container".to_owned()));
        };
        let failure = |error| failure(&format!("run the health check of {}", service.name), &error);
        let options = CreateExecOptions {
            cmd: Some(command),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..Default::default()
        };
        let exec = self.docker().create_exec(&id, options).await.map_err(failure)?.id;
        let started = self.docker().start_exec(&exec, None::<StartExecOptions>).await;
        let mut said = String::new();
        if let StartExecResults::Attached { mut output, .. } = started.map_err(failure)? {
            while let Some(chunk) = output.next().await {
                said.push_str(&String::from_utf8_lossy(&chunk.map_err(failure)?.into_bytes()));
            }
        }
        let code = self.docker().inspect_exec(&exec).await.map_err(failure)?.exit_code;
        Ok(match code {
            Some(0) => None,
            _ => Some(format!("its health check fails: {}", said.trim())),
        })
    }
}

/// The command of a health check; `None` for `NONE` and an empty list.
fn command(test: &[String]) -> Option<Vec<String>> {
    match test.split_first() {
        Some((kind, rest)) if kind == "CMD" && !rest.is_empty() => Some(rest.to_vec()),
        Some((kind, rest)) if kind == "CMD-SHELL" => {
            Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), rest.join(" ")])
        }
        _ => None,
    }
}
