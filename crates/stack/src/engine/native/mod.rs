//! Runs the pinned server as processes of this machine.

pub mod confinement;
pub mod launcher;
mod log;
pub mod pid_file;
pub mod ports;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use futures::stream::LocalBoxStream;
use rustix::process::Signal;
use tokio::process::{Child, Command};

use self::confinement::Confinement;
use self::launcher::Lifeline;
use self::pid_file::PidFile;
use super::{Engine, Error, Instance, ServiceState, Stop};
use crate::plan::restart::Restart;
use crate::plan::{ServicePlan, StackPlan, native};
use crate::state::EngineKind;
use demo_base::choice::Choice;
use demo_base::error::Result;
use demo_base::files;
use demo_base::ready::{Attempt, poll};
use demo_sqld_dist::binary::ServerBinary;

/// A busy server ends within 2 s.
const GRACE: Duration = Duration::from_secs(10);
/// The kernel needs only microseconds.
const KILL: Duration = Duration::from_secs(5);

/// Where the files of a stack's processes are.
#[derive(Clone, Debug)]
pub struct Site {
    pub run_dir: PathBuf,
    pub logs_dir: PathBuf,
    /// The servers end with this process; with `None` they outlive it.
    pub owner: Option<u32>,
    pub lifeline: Lifeline,
}

/// A program to start as a process.
#[derive(Debug)]
pub struct Program<'a> {
    pub path: &'a Path,
    pub arguments: &'a [String],
    /// The complete environment of the process.
    pub environment: &'a BTreeMap<String, String>,
    pub confinement: Option<Confinement>,
}

/// Runs one stack as child processes.
#[derive(Debug)]
pub struct NativeEngine {
    site: Site,
    /// `None` suffices for a stack that is only inspected or stopped.
    binary: Option<ServerBinary>,
    /// This program, which becomes the server: see [`launcher`].
    launcher: PathBuf,
    /// Children that this process has to wait for; otherwise they stay as zombies.
    children: RefCell<HashMap<String, Child>>,
}

impl NativeEngine {
    /// An engine for the stack of `site`; `launcher` is the `demo` program.
    pub fn new(site: Site, binary: Option<ServerBinary>, launcher: PathBuf) -> Self {
        Self { site, binary, launcher, children: RefCell::default() }
    }

    fn program(&self) -> Result<&Path, Error> {
        Ok(&self.binary.as_ref().ok_or(Error::NoServer)?.path)
    }

    fn pid_file(&self, service: &str) -> PidFile {
        PidFile::new(self.site.run_dir.join(format!("{service}.pid")))
    }

    fn digest_path(&self, service: &str) -> PathBuf {
        self.site.run_dir.join(format!("{service}.digest"))
    }

    fn log_path(&self, service: &str) -> PathBuf {
        self.site.logs_dir.join(format!("{service}.log"))
    }

    fn child(&self, service: &str) -> Option<Child> {
        self.children.borrow_mut().remove(service)
    }

    fn keep(&self, service: &str, child: Child) {
        self.children.borrow_mut().insert(service.to_owned(), child);
    }

    fn spawn(&self, plan: &StackPlan, service: &ServicePlan) -> Result<()> {
        let process = native::process(plan, service)?;
        ports::check_free(service)?;
        for mount in service.mounts.iter().filter(|mount| !mount.read_only) {
            files::create_dir(&mount.source, files::MODE_SHARED_DIR)?;
        }
        let confinement = Confinement::of(plan, service);
        match &confinement {
            Some(confinement) => self.hand_over(service, confinement)?,
            None => check_writable(service)?,
        }
        let digest = self.digest(plan, service)?;
        let digest_path = self.digest_path(&service.name);
        files::write_atomic(&digest_path, digest.as_bytes(), files::MODE_SHARED)?;
        let server = Program {
            path: self.program()?,
            arguments: &process.arguments,
            environment: &process.environment,
            confinement,
        };
        self.launch(&service.name, server)
    }

    /// Gives the folders that the server writes to its user, as the entrypoint of the image does.
    fn hand_over(&self, service: &ServicePlan, confinement: &Confinement) -> Result<(), Error> {
        for folder in &confinement.own {
            // If the folder contained files of `demo`, the server's user would get the keys.
            if self.site.run_dir.starts_with(folder) {
                let (service, folder) = (service.name.clone(), folder.clone());
                return Err(Error::NotSeparate { service, folder });
            }
            confinement::hand_over(folder, confinement.user)?;
        }
        Ok(())
    }

    /// Starts a program in the same way as a server: with a pid file, a log and a lifeline, and
    /// with only the given environment.
    ///
    /// # Errors
    /// [`Error::NoAccess`] when the log cannot be written, [`Error::Refused`] when the launcher cannot
    /// be run.
    pub fn launch(&self, name: &str, program: Program<'_>) -> Result<()> {
        let log = self.open_log(name)?;
        let mut command = Command::new(&self.launcher);
        command
            .arg("__exec")
            .arg("--pid-file")
            .arg(self.pid_file(name).path())
            .args(["--lifeline", self.site.lifeline.word()]);
        if let Some(owner) = self.site.owner {
            command.args(["--owner", &owner.to_string()]);
        }
        command
            .args(program.confinement.iter().flat_map(Confinement::arguments))
            .arg("--")
            .arg(program.path)
            .args(program.arguments)
            .env_clear()
            .envs(program.environment)
            .current_dir(&self.site.run_dir)
            .stdout(log.try_clone()?)
            .stderr(log)
            .stdin(self.stdin())
            // A supervisor is not killed: it ends its server when its pipe closes.
            .kill_on_drop(self.site.owner.is_some() && self.site.lifeline == Lifeline::Signal);
        let child = command.spawn().map_err(|source| Error::Refused {
            operation: format!("start {}", self.launcher.display()),
            source,
        })?;
        self.keep(name, child);
        Ok(())
    }

    /// Makes the folders of `site`.
    ///
    /// # Errors
    /// [`demo_base::Error::Unwritable`].
    pub fn make_folders(&self) -> Result<(), demo_base::Error> {
        files::create_dir(&self.site.run_dir, files::MODE_SHARED_DIR)?;
        files::create_dir(&self.site.logs_dir, files::MODE_SHARED_DIR)
    }

    fn stdin(&self) -> Stdio {
        match (self.site.owner, self.site.lifeline) {
            (Some(_), Lifeline::Pipe) => Stdio::piped(),
            _ => Stdio::null(),
        }
    }

    fn open_log(&self, service: &str) -> Result<File, Error> {
        let path = self.log_path(service);
        let opened = File::options().append(true).create(true).open(&path);
        opened.map_err(|source| {
            let operation = format!("write {}", path.display());
            Error::NoAccess { operation, source }
        })
    }

    fn state_of(&self, service: &str) -> Result<ServiceState, Error> {
        // Between the start of the launcher and its lock, the pid file is free.
        if let Some(mut child) = self.child(service)
            && let Ok(None) = child.try_wait()
        {
            let id = child.id();
            self.keep(service, child);
            if self.pid_file(service).holder()?.is_none() {
                return Ok(running(id.unwrap_or_default(), None));
            }
        }
        Ok(match self.pid_file(service).holder()? {
            None => ServiceState::Stopped,
            Some(holder) => {
                let pid = holder.pid.as_raw_nonzero().get().unsigned_abs();
                running(pid, holder.since)
            }
        })
    }

    /// A digest of everything that a process is started from: its plan, its program and its keys.
    fn digest(&self, plan: &StackPlan, service: &ServicePlan) -> Result<String> {
        let process = native::process(plan, service)?;
        let mounted = super::mounted_digest(service)?;
        let user = Confinement::of(plan, service).map(|confinement| confinement.user);
        let text = format!("{process:?} {} {mounted} {user:?}", self.program()?.display());
        Ok(super::short_digest(&text))
    }

    async fn stop_one(&self, service: &str, how: Stop) -> Result<bool> {
        let ran = self.end(service, how).await?;
        if let Some(mut child) = self.child(service) {
            // A launcher that has not become a server yet is killed here.
            if !ran {
                child.start_kill().ok();
            }
            drop(child.stdin.take());
            let waited = tokio::time::timeout(KILL, child.wait()).await;
            waited.map_err(|_| Error::StillRuns { service: service.to_owned() })??;
        }
        files::remove(&self.digest_path(service))?;
        files::remove(&self.site.run_dir.join(format!("{service}.restarts")))?;
        files::remove(self.pid_file(service).path())?;
        Ok(ran)
    }

    async fn end(&self, service: &str, how: Stop) -> Result<bool> {
        let file = self.pid_file(service);
        let Some(holder) = file.holder()? else {
            return Ok(false);
        };
        if how == Stop::Graceful {
            file.signal(holder, Signal::TERM)?;
            if until_free(service, &file, GRACE).await.is_ok() {
                return Ok(true);
            }
        }
        file.signal(holder, Signal::KILL)?;
        until_free(service, &file, KILL).await?;
        Ok(true)
    }
}

/// Data written by a server that root or a container has run belongs to another user.
fn check_writable(service: &ServicePlan) -> Result<(), Error> {
    use rustix::fs::{Access, access};
    let needed = Access::READ_OK | Access::WRITE_OK;
    for mount in service.mounts.iter().filter(|mount| !mount.read_only) {
        let folder = &mount.source;
        let inside = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths = inside.map(|entry| entry.path()).chain([folder.clone()]);
        let Some(error) = paths.find_map(|path| access(&path, needed).err()) else { continue };
        let (service, folder) = (service.name.clone(), folder.clone());
        return Err(Error::Unwritable { service, folder, source: error.into() });
    }
    Ok(())
}

fn running(pid: u32, since: Option<jiff::Timestamp>) -> ServiceState {
    ServiceState::Running(Instance { id: format!("pid {pid}"), started_at: since })
}

async fn until_free(service: &str, file: &PidFile, deadline: Duration) -> Result<()> {
    poll(&format!("{service} has ended"), deadline, async || {
        Ok(match file.holder()? {
            None => Attempt::Done(()),
            Some(holder) => Attempt::Again(format!("pid {}", holder.pid.as_raw_nonzero())),
        })
    })
    .await
}

impl Engine for NativeEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Native
    }

    fn prepare<'a>(&'a self, plan: &'a StackPlan) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            native::translate(plan)?;
            for service in &plan.services {
                Restart::of(service)?;
            }
            Ok(self.make_folders()?)
        }
        .boxed_local()
    }

    fn start<'a>(
        &'a self,
        plan: &'a StackPlan,
        service: &'a ServicePlan,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move { self.spawn(plan, service) }.boxed_local()
    }

    fn state<'a>(&'a self, service: &'a str) -> LocalBoxFuture<'a, Result<ServiceState>> {
        async move { Ok(self.state_of(service)?) }.boxed_local()
    }

    fn matches<'a>(
        &'a self,
        plan: &'a StackPlan,
        service: &'a ServicePlan,
    ) -> LocalBoxFuture<'a, Result<bool>> {
        async move {
            let recorded = std::fs::read_to_string(self.digest_path(&service.name)).ok();
            Ok(recorded == Some(self.digest(plan, service)?))
        }
        .boxed_local()
    }

    fn is_healthy<'a>(
        &'a self,
        service: &'a ServicePlan,
    ) -> LocalBoxFuture<'a, Result<Option<String>>> {
        async move {
            let Some(holder) = self.pid_file(&service.name).holder()? else {
                return Ok(Some("it has not locked its pid file".to_owned()));
            };
            let pid = holder.pid.as_raw_nonzero().get().unsigned_abs();
            let address = service.endpoint(crate::plan::Interface::Http);
            let owned = address.and_then(ports::listener) == Some(pid);
            Ok((!owned).then(|| "another program listens on its port".to_owned()))
        }
        .boxed_local()
    }

    fn stop<'a>(&'a self, service: &'a str, how: Stop) -> LocalBoxFuture<'a, Result<bool>> {
        self.stop_one(service, how).boxed_local()
    }

    fn logs<'a>(
        &'a self,
        service: &'a str,
        tail: Option<usize>,
    ) -> LocalBoxFuture<'a, Result<String>> {
        async move { Ok(log::read(&self.log_path(service), tail)?) }.boxed_local()
    }

    fn follow<'a>(&'a self, service: &'a str) -> LocalBoxStream<'a, Result<String>> {
        log::follow(self.log_path(service))
    }

    fn remove<'a>(&'a self, _project: &'a str) -> LocalBoxFuture<'a, Result<()>> {
        // The files of an ephemeral stack go with its folder; the standing stack keeps its lock.
        async { Ok(()) }.boxed_local()
    }

    fn remove_files<'a>(
        &'a self,
        within: &'a Path,
        folder: &'a Path,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move { Ok(files::removal::remove(within, folder)?) }.boxed_local()
    }
}
