//! Stacks that exist for one run, each with its own name, folder and keys, on free ports.
//!
//! They are always removed afterwards. [`EphemeralStacks`] removes them on success, failure and
//! Ctrl-C. If this process is killed, the kernel ends their servers, and the next run removes the
//! folder that is left, since the free lock in it shows that it has no owner.

mod stack;

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use jiff::Timestamp;
use secrecy::ExposeSecret;

pub use self::stack::EphemeralStack;
use super::Error;
use super::docker;
use super::docker::connect::Daemon;
use super::native::pid_file::PidFile;
use super::native::ports;
use super::provider::{Place, Provider};
use super::start::{Unobserved, bring_up};
use crate::credentials::store::{Store, admin_key};
use crate::plan::StackPlan;
use crate::plan::blueprint::{Blueprint, LIBSQL_ADMIN_AUTH_KEY, Variants};
use crate::state::{EngineKind, Local};
use demo_base::error::{Result, find};
use demo_base::files;
use demo_base::files::lock::try_lock;

/// How often a stack is started again when another program has taken its ports.
const ATTEMPTS: u32 = 4;

/// The system picks ports at random from several thousand.
const TRIES_FOR_PORTS: u32 = 20;

/// Makes ephemeral stacks and removes them.
pub struct EphemeralStacks {
    pub provider: Provider,
    pub blueprint: Blueprint,
    pub local: Local,
    pub http: reqwest::Client,
    /// Leave the servers and their files behind.
    pub keep: bool,
    open: RefCell<Vec<Rc<EphemeralStack>>>,
    /// Ports of all stacks of this run. A stopped service needs its ports again, although nothing
    /// holds them meanwhile.
    given: RefCell<HashSet<u16>>,
}

impl EphemeralStacks {
    /// Creates nothing yet.
    pub fn new(
        provider: Provider,
        blueprint: Blueprint,
        local: Local,
        http: reqwest::Client,
        keep: bool,
    ) -> Self {
        Self {
            provider,
            blueprint,
            local,
            http,
            keep,
            open: RefCell::default(),
            given: RefCell::default(),
        }
    }

    /// Starts a stack and waits until it is ready. `name` becomes part of the name of its folder.
    /// `change` may alter the plan before ports are chosen; it receives the folder of the stack.
    ///
    /// # Errors
    /// As [`bring_up`]; what was started is stopped again.
    pub async fn start(
        &self,
        name: &str,
        variants: Variants,
        change: impl FnOnce(&mut StackPlan, &Path) -> Result<()>,
    ) -> Result<Rc<EphemeralStack>> {
        let id = format!("demo-{name}-{:08x}", random()?);
        let folder = self.local.ephemeral_dir().join(&id);
        files::create_dir(self.local.root(), files::MODE_SECRET_DIR)?;
        let owned = self.claim(&folder)?;
        let prepared = self.prepare(&id, &folder, variants, change);
        let (plan, store) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                files::removal::remove(self.local.project_dir(), &folder)?;
                return Err(error);
            }
        };
        self.bring_up(plan, &store, folder, owned).await
    }

    fn prepare(
        &self,
        id: &str,
        folder: &Path,
        variants: Variants,
        change: impl FnOnce(&mut StackPlan, &Path) -> Result<()>,
    ) -> Result<(StackPlan, Store)> {
        let kind = self.provider.kind().to_string();
        files::write_atomic(&folder.join(ENGINE), kind.as_bytes(), files::MODE_SHARED)?;
        if self.keep {
            files::write_atomic(&folder.join(KEPT), b"", files::MODE_SHARED)?;
        }
        let store = Store::new(folder.join(".local"));
        store.ensure_keys(false)?;
        if variants.tls {
            store.ensure_certs(Timestamp::now(), false)?;
        }
        let key = admin_key::generate()?;
        let blueprint = self.blueprint.clone();
        let blueprint = blueprint.with_variable(LIBSQL_ADMIN_AUTH_KEY, key.expose_secret());
        let mut plan = blueprint.ephemeral(variants, folder, id)?;
        change(&mut plan, folder)?;
        Ok((plan, store))
    }

    /// Makes `folder` and locks it, with no sweep in between.
    fn claim(&self, folder: &Path) -> Result<File> {
        files::create_dir(&self.local.ephemeral_dir(), files::MODE_SHARED_DIR)?;
        let gate = open_gate(&self.local)?;
        gate.lock_shared()?;
        files::create_dir(folder, files::MODE_SHARED_DIR)?;
        let owned = try_lock(&folder.join("owner.lock"))?;
        Ok(owned.ok_or_else(|| Error::Owned { folder: folder.to_owned() })?)
    }

    async fn bring_up(
        &self,
        plan: StackPlan,
        store: &Store,
        folder: PathBuf,
        mut owned: File,
    ) -> Result<Rc<EphemeralStack>> {
        let place = Place::ephemeral(&folder, &plan.project, !self.keep);
        let mut attempt = 1;
        loop {
            let stack = Rc::new(EphemeralStack {
                plan: plan.clone().with_ports(&self.fresh_ports(plan.port_count())?),
                engine: self.provider.engine(&place),
                http: self.http.clone(),
                sidecars: self.provider.sidecars(&place)?,
                key: store.signing_key()?,
                folder: folder.clone(),
                owned,
            });
            self.open.borrow_mut().push(Rc::clone(&stack));
            let Err(error) =
                bring_up(stack.engine.as_ref(), &stack.plan, &self.http, &Unobserved).await
            else {
                return Ok(stack);
            };
            let clash = matches!(find(&error), Some(Error::PortInUse(_)));
            if !clash || attempt == ATTEMPTS {
                if !self.keep {
                    self.close(&stack).await?;
                }
                return Err(error);
            }
            attempt += 1;
            stack.stop_all().await?;
            self.open.borrow_mut().retain(|other| !Rc::ptr_eq(other, &stack));
            owned = stack.owned.try_clone()?;
        }
    }

    /// Free ports that no stack of this run has had.
    fn fresh_ports(&self, count: usize) -> Result<Vec<u16>, Error> {
        let mut given = self.given.borrow_mut();
        for _ in 0..TRIES_FOR_PORTS {
            let free = ports::free(count)?;
            if free.iter().all(|port| !given.contains(port)) {
                given.extend(&free);
                return Ok(free);
            }
        }
        ports::free(count)
    }

    /// Stops a stack and removes its folder.
    ///
    /// # Errors
    /// When a server does not stop or the folder cannot be removed.
    pub async fn close(&self, stack: &Rc<EphemeralStack>) -> Result<()> {
        stack.stop_all().await?;
        stack.engine.remove_files(self.local.project_dir(), &stack.folder).await?;
        self.open.borrow_mut().retain(|other| !Rc::ptr_eq(other, stack));
        Ok(())
    }

    /// Stops and removes every stack that is still open; with `keep`, none. Returns the folders
    /// that are kept.
    ///
    /// # Errors
    /// When a server does not stop or a folder cannot be removed.
    pub async fn close_all(&self) -> Result<Vec<PathBuf>> {
        let open = self.open.borrow().clone();
        if self.keep {
            return Ok(open.iter().map(|stack| stack.folder.clone()).collect());
        }
        for stack in &open {
            self.close(stack).await?;
        }
        Ok(Vec::new())
    }
}

/// What [`sweep`] removes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sweep {
    /// What a killed run has left.
    Abandoned,
    /// The same, and what `--keep` has left on purpose.
    KeptToo,
}

/// The result of [`sweep`].
#[derive(Debug, Default)]
pub struct Swept {
    pub removed: usize,
    /// Folders of stacks on Docker, while Docker does not answer.
    pub left: Vec<PathBuf>,
}

/// Removes the folders of ephemeral stacks that have no owner, after ending what still runs in
/// them, and containers whose folder is gone.
///
/// # Errors
/// When a folder cannot be read or removed, or Docker refuses.
pub async fn sweep(local: &Local, what: Sweep, docker: Option<&Daemon>) -> Result<Swept> {
    let folder = local.ephemeral_dir();
    files::removal::refuse_links(local.project_dir(), &folder)?;
    let mut swept = Swept::default();
    if let Some(daemon) = docker {
        for orphan in docker::sweep::folders(daemon).await? {
            if orphan.starts_with(&folder) && !orphan.exists() {
                docker::sweep::remove_stack(daemon, &orphan).await?;
                swept.removed += 1;
            }
        }
    }
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(swept),
        Err(error) => return Err(files::unreadable(&folder, "folder", error).into()),
    };
    // While this is held, no run is between making its folder and locking it.
    let gate = open_gate(local)?;
    gate.lock()?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_symlink() && what == Sweep::KeptToo {
            // A link is not a stack: it is removed without being followed.
            files::remove(&path)?;
        }
        if !kind.is_dir() || (what == Sweep::Abandoned && path.join(KEPT).exists()) {
            continue;
        }
        let Some(_owned) = try_lock(&path.join("owner.lock"))? else { continue };
        // Sidecars are processes of this machine on every engine.
        end_servers(&path.join("run"))?;
        let engine = fs::read_to_string(path.join(ENGINE)).unwrap_or_default();
        if engine == EngineKind::Docker.to_string() {
            let Some(daemon) = docker else {
                swept.left.push(path);
                continue;
            };
            docker::sweep::remove_stack(daemon, &path).await?;
            docker::data::remove(docker, local.project_dir(), &path).await?;
        } else {
            files::removal::remove(local.project_dir(), &path)?;
        }
        swept.removed += 1;
    }
    Ok(swept)
}

/// The file that names the engine of the stack in a folder.
const ENGINE: &str = "engine";
/// The file that marks a stack as kept on purpose.
const KEPT: &str = "kept";

fn open_gate(local: &Local) -> Result<File, demo_base::Error> {
    let path = local.ephemeral_dir().join("gate.lock");
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    opened.map_err(|source| demo_base::Error::Unlockable { path, source })
}

/// Ends every server whose pid file is in `run_dir`.
///
/// # Errors
/// When a pid file cannot be read or the system refuses.
pub fn end_servers(run_dir: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(run_dir) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "pid") {
            let file = PidFile::new(path);
            if let Some(holder) = file.holder()? {
                file.signal(holder, rustix::process::Signal::KILL)?;
            }
        }
    }
    Ok(())
}

fn random() -> Result<u32, demo_base::Error> {
    let mut bytes = [0; 4];
    demo_base::random::fill(&mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}
