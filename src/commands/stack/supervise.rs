//! `__supervise`: restarts native servers that have died, as the compose key `restart` says.
//!
//! `demo up` starts one supervisor for a standing stack that has such a service. A command that
//! stops or starts servers on purpose holds the lock of the stack, and ends or replaces the
//! supervisor while it holds it. The supervisor acts under the same lock, and checks the record and
//! the server again once it has it, so it never starts a server that was just stopped. It ends when
//! the record is gone. It listens on no port, and logs what it does to
//! `.local/logs/supervisor.log`.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use crate::commands::engines::Engines;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_stack::engine::native::pid_file::PidFile;
use demo_stack::engine::provider::{Place, Provider};
use demo_stack::engine::{Engine, ServiceState, Stop, last_words};
use demo_stack::plan::StackPlan;
use demo_stack::plan::blueprint::Blueprint;
use demo_stack::plan::restart::Restart;
use demo_stack::state::{EngineKind, Local};

/// The name of its pid file and its log.
const NAME: &str = "supervisor";
/// The interval between two checks. Checking is necessary because nothing announces that the lock
/// of a pid file is free.
const LOOK: Duration = Duration::from_millis(200);
/// The delay before the first restart; it doubles with each further restart, as in Docker.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// A server that has run for this long starts again with the first delay.
const STEADY: Duration = Duration::from_secs(10);
/// The supervisor itself starts within milliseconds.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// Starts the supervisor of the standing stack if a service of `plan` has a restart policy. The
/// caller holds the lock of the stack.
///
/// # Errors
/// When it does not come up, with the last lines of its log.
pub async fn begin(
    settings: &Settings,
    local: &Local,
    provider: &Provider,
    plan: &StackPlan,
) -> Result<()> {
    let mut wanted = false;
    for service in &plan.services {
        wanted |= Restart::of(service)? != Restart::No;
    }
    if !wanted || provider.kind() != EngineKind::Native {
        return Ok(());
    }
    let engine = provider.engine(&Place::standing(local, &plan.project));
    let mut child = spawn(settings, local)?;
    let file = pid_file(local);
    // The next command can end the supervisor only through its pid file, so wait for that.
    poll("the supervisor runs", START_DEADLINE, async || {
        if file.holder()?.is_some() {
            return Ok(Attempt::Done(()));
        }
        if child.try_wait()?.is_none() {
            return Ok(Attempt::Again("it has not locked its pid file".to_owned()));
        }
        let words = last_words(engine.as_ref(), NAME).await;
        Err(Fault::failed("the supervisor has ended").because(words).into())
    })
    .await
}

/// Not through `__exec`: a lock that survives an exec would be inherited by the servers that the
/// supervisor starts, and they would still hold it after the supervisor has ended.
fn spawn(settings: &Settings, local: &Local) -> Result<Child> {
    let path = local.logs_dir().join(format!("{NAME}.log"));
    let attempt = || -> std::io::Result<Child> {
        let log = File::options().append(true).create(true).open(&path)?;
        Command::new(std::env::current_exe()?)
            .arg("--project-dir")
            .arg(&settings.project_dir)
            .arg("__supervise")
            .env_clear()
            .envs(&settings.variables)
            .current_dir(local.standing_dir())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    };
    Ok(attempt().map_err(|error| Fault::failed("cannot start the supervisor").because(error))?)
}

fn pid_file(local: &Local) -> PidFile {
    PidFile::new(local.standing_dir().join(format!("{NAME}.pid")))
}

/// Ends the supervisor of a standing stack; the caller holds the lock of the stack.
///
/// # Errors
/// When it does not end.
pub async fn end(engine: &dyn Engine) -> Result<()> {
    if engine.kind() == EngineKind::Native {
        engine.stop(NAME, Stop::Graceful).await?;
    }
    Ok(())
}

/// What the supervisor knows about one service.
struct Watched {
    policy: Restart,
    delay: Duration,
    started: Instant,
    /// It has ended and will be restarted at this time.
    due: Option<Instant>,
    /// It has ended and will not be restarted; this has been logged.
    given_up: bool,
}

/// Watches the standing stack until it is taken down.
///
/// # Errors
/// When the record or the compose files cannot be read.
pub async fn run(settings: &Settings, output: &Output) -> Result<()> {
    let local = Local::new(settings.local_dir());
    // Ctrl-C on the terminal is not meant for it.
    let _leads_already = rustix::process::setsid();
    let _held = pid_file(&local).take()?;
    let Some(standing) = local.standing()? else { return Ok(()) };
    let blueprint = Blueprint::new(&settings.project_dir, &settings.plan_variables);
    // The configuration is read once; changes to the files take effect with the next `demo up`.
    let mut plan = blueprint.standing(standing.variants)?;
    plan.services.retain(|service| standing.services.contains_key(&service.name));
    let provider = Engines::new(settings, output).of(standing.engine).await?;
    let engine = provider.engine(&Place::standing(&local, &standing.project));
    let mut watched = BTreeMap::new();
    for service in &plan.services {
        let policy = Restart::of(service)?;
        let started = Instant::now();
        let known = Watched { policy, delay: FIRST_DELAY, started, due: None, given_up: false };
        watched.insert(service.name.clone(), known);
    }
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if local.standing()?.is_none() {
            return Ok(());
        }
        let due = look(&local, engine.as_ref(), &mut watched, output).await?;
        if due.is_empty() {
            continue;
        }
        // A command that changes the stack holds the lock; everything may be different afterwards.
        let Ok(_lock) = local.lock().await else { continue };
        if local.standing()?.is_none() {
            return Ok(());
        }
        for name in due {
            start(&local, engine.as_ref(), &plan, &name, &mut watched, output).await?;
        }
    }
}

/// The services to start now.
async fn look(
    local: &Local,
    engine: &dyn Engine,
    watched: &mut BTreeMap<String, Watched>,
    output: &Output,
) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for (name, known) in watched {
        if engine.state(name).await? != ServiceState::Stopped {
            known.due = None;
            known.given_up = false;
            if known.started.elapsed() >= STEADY {
                known.delay = FIRST_DELAY;
            }
            continue;
        }
        if !known.policy.again(local.restarts(name)) {
            if known.policy != Restart::No && !known.given_up {
                output.note(format!("{name} has ended and has used all its restarts"));
            }
            known.given_up = true;
            continue;
        }
        let due = *known.due.get_or_insert_with(|| {
            output.note(format!("{name} has ended; it starts again in {:?}", known.delay));
            Instant::now() + known.delay
        });
        if due <= Instant::now() {
            all.push(name.clone());
        }
    }
    Ok(all)
}

async fn start(
    local: &Local,
    engine: &dyn Engine,
    plan: &StackPlan,
    name: &str,
    watched: &mut BTreeMap<String, Watched>,
    output: &Output,
) -> Result<()> {
    let Some(known) = watched.get_mut(name) else { return Ok(()) };
    if engine.state(name).await? != ServiceState::Stopped {
        return Ok(());
    }
    let words = last_words(engine, name).await;
    let count = local.restarts(name).saturating_add(1);
    local.save_restarts(name, count)?;
    match engine.start(plan, plan.service(name)?).await {
        Ok(()) => output.note(format!("{name} started again, restart {count}; {words}")),
        Err(error) => output.note(format!("{name} cannot be started again: {error:#}")),
    }
    known.due = None;
    known.started = Instant::now();
    known.delay = known.delay.saturating_mul(2).min(LONGEST_DELAY);
    Ok(())
}
