//! Brings a stack up: start order, readiness, and restarts of what has changed.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{Engine, Error, PortInUse, ServiceState, Stop, last_words};
use crate::plan::{Condition, Interface, ServicePlan, StackPlan};
use demo_base::error::{Cause, Result};
use demo_base::ready::{Attempt, poll};

/// For a service without a health check. A server is up within 50 ms; a container of an image that
/// is not cached takes seconds.
const READY_DEADLINE: Duration = Duration::from_secs(30);
/// The minimum, however few retries a health check has.
const LEAST_DEADLINE: Duration = Duration::from_secs(2);

/// What happened to a service.
#[derive(Clone, Debug)]
pub struct Started {
    pub service: String,
    pub how: How,
    /// The time from the start until it was ready.
    pub took: Duration,
}

/// How a service came to run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum How {
    /// It was not running before.
    Started,
    /// It was running as planned already.
    AlreadyUp,
    /// It was running, but not as planned.
    Replaced,
}

/// Is told what happens while a stack comes up.
pub trait Observer {
    /// A service is being started.
    fn starting(&self, service: &str);
    /// A service is ready.
    fn ready(&self, started: &Started);
}

/// An observer that ignores everything.
#[derive(Debug)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn starting(&self, _service: &str) {}
    fn ready(&self, _started: &Started) {}
}

/// Starts every service of `plan` that does not run as planned, in order, and
/// waits until all are ready.
///
/// # Errors
/// [`Error::MountMissing`]; [`Error::PortInUse`] or another error of the engine when a service cannot
/// be started; as [`until_ready`] for one that does not come up.
pub async fn bring_up(
    engine: &dyn Engine,
    plan: &StackPlan,
    http: &reqwest::Client,
    observer: &dyn Observer,
) -> Result<Vec<Started>> {
    check_mounts(plan)?;
    engine.prepare(plan).await?;
    let mut waiting: Vec<(&ServicePlan, How, Instant)> = Vec::new();
    let mut all = Vec::new();
    for service in &plan.services {
        let needs_healthy = |name: &str| {
            service.depends_on.get(name).is_some_and(|c| *c == Condition::ServiceHealthy)
        };
        let (first, rest) = waiting.into_iter().partition(|(s, _, _)| needs_healthy(&s.name));
        waiting = rest;
        all.extend(await_all(engine, http, observer, first).await?);
        observer.starting(&service.name);
        let since = Instant::now();
        let how = start_one(engine, plan, service).await?;
        waiting.push((service, how, since));
    }
    all.extend(await_all(engine, http, observer, waiting).await?);
    Ok(all)
}

async fn await_all(
    engine: &dyn Engine,
    http: &reqwest::Client,
    observer: &dyn Observer,
    services: Vec<(&ServicePlan, How, Instant)>,
) -> Result<Vec<Started>> {
    let mut all = Vec::new();
    for (service, how, since) in services {
        until_ready(engine, service, http).await?;
        let started = Started { service: service.name.clone(), how, took: since.elapsed() };
        observer.ready(&started);
        all.push(started);
    }
    Ok(all)
}

async fn start_one(engine: &dyn Engine, plan: &StackPlan, service: &ServicePlan) -> Result<How> {
    let how = match engine.state(&service.name).await? {
        ServiceState::Stopped => How::Started,
        ServiceState::Running(_) => {
            if engine.matches(plan, service).await? {
                return Ok(How::AlreadyUp);
            }
            engine.stop(&service.name, Stop::Graceful).await?;
            How::Replaced
        }
    };
    engine.start(plan, service).await?;
    Ok(how)
}

/// Waits until `/health` answers on a port that the service itself holds, and checks that the
/// service is still alive after that.
///
/// # Errors
/// [`Error::NoHealthPort`]; with its last log lines, [`Error::PortInUse`] or [`Error::NotReady`] when
/// it ends or does not come up in time.
pub async fn until_ready(
    engine: &dyn Engine,
    service: &ServicePlan,
    http: &reqwest::Client,
) -> Result<(), Error> {
    let Some(address) = service.endpoint(Interface::Http) else {
        return Err(Error::NoHealthPort { service: service.name.clone() });
    };
    let what = format!("{} is ready at http://{address}", service.name);
    let waited = poll(&what, deadline(service), async || {
        if engine.state(&service.name).await? == ServiceState::Stopped {
            return Err(Error::Ended { service: service.name.clone() }.into());
        }
        match http.get(format!("http://{address}/health")).send().await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => return Ok(Attempt::Again(format!("/health {}", answer.status()))),
            Err(_) => return Ok(Attempt::Again("no answer".to_owned())),
        }
        if let Some(why) = engine.is_healthy(service).await? {
            return Ok(Attempt::Again(why));
        }
        Ok(Attempt::Done(()))
    })
    .await;
    match waited {
        Ok(()) => Ok(()),
        Err(error) => {
            let seen: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
            let words = last_words(engine, &service.name).await;
            // So ends the server's message for a port that it cannot bind, on every platform.
            let clash = words.contains(" in use");
            let problem = error.to_string();
            let source =
                Cause::from(seen.into_iter().chain([words]).collect::<Vec<_>>().join("; "));
            Err(if clash {
                PortInUse::Server { problem, source }.into()
            } else {
                Error::NotReady { problem, source }
            })
        }
    }
}

/// As long as the health check of the compose file allows the service.
fn deadline(service: &ServicePlan) -> Duration {
    let Some(health) = &service.health else { return READY_DEADLINE };
    let (Some(interval), Some(retries)) = (health.interval, health.retries) else {
        return READY_DEADLINE;
    };
    let whole = health.start_period.unwrap_or_default() + interval.saturating_mul(retries);
    whole.max(LEAST_DEADLINE)
}

/// A mounted file must exist, because Docker would create a folder in its place.
fn check_mounts(plan: &StackPlan) -> Result<(), Error> {
    let mounts = plan.services.iter().flat_map(|service| &service.mounts);
    let missing: Option<&Path> = mounts
        .filter(|mount| mount.read_only && !mount.source.exists())
        .map(|mount| mount.source.as_path())
        .next();
    match missing {
        None => Ok(()),
        Some(path) => Err(Error::MountMissing { path: path.to_owned() }),
    }
}
