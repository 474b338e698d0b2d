//! `demo __exec`: a child of ours becomes the server.
//!
//! It locks the pid file, ties its life to its owner's, and executes the
//! server in its own place, so that pid, lock and parent-death signal are the
//! server's. It leaves no core file, which would hold every key in its memory, and
//! with a [`Confinement`] it becomes another user first: a change of user clears
//! the parent-death signal, so that is set last. macOS has no such signal: there a supervisor stays between, holds
//! the reading end of a pipe, and kills the server when the writing end closes,
//! which the kernel does for an owner that dies in any way.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;

use rustix::io::FdFlags;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::AsyncReadExt;

use super::confinement::{self, Confinement};
use super::pid_file::PidFile;
use demo_base::error::{Fault, Result};

/// How the end of the owner is noticed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lifeline {
    /// The kernel's parent-death signal (Linux).
    Signal,
    /// A supervisor with a pipe on its stdin (everywhere).
    Pipe,
}

impl Lifeline {
    /// The better one of this platform.
    pub const HERE: Self = if cfg!(target_os = "linux") { Self::Signal } else { Self::Pipe };

    /// The word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Pipe => "pipe",
        }
    }
}

/// What the launcher was asked to do.
#[derive(Debug)]
pub struct Launch<'a> {
    pub pid_file: &'a Path,
    /// The process with whose end the server is to end.
    pub owner: Option<u32>,
    pub lifeline: Lifeline,
    /// What the server is shut into; none: it is who we are.
    pub confinement: Option<Confinement>,
    /// The program and its arguments.
    pub command: &'a [OsString],
}

/// Becomes the server; with the pipe lifeline, becomes its supervisor and
/// returns when the server has ended.
///
/// # Errors
/// When the pid file is held by another server, or the program cannot run.
pub async fn launch(launch: Launch<'_>) -> Result<()> {
    let Some((program, arguments)) = launch.command.split_first() else {
        return Err(Fault::input("there is no program to run").into());
    };
    // A terminal's Ctrl-C is for the owner, who then stops its servers in order.
    let _leads_already = rustix::process::setsid();
    if launch.owner.is_some() && launch.lifeline == Lifeline::Pipe {
        return supervise(&launch, program, arguments).await;
    }
    become_server(&launch, program, arguments)
}

fn become_server(launch: &Launch<'_>, program: &OsStr, arguments: &[OsString]) -> Result<()> {
    let lock = PidFile::new(launch.pid_file).take()?;
    // The lock must survive the exec; it is this descriptor's.
    rustix::io::fcntl_setfd(lock.as_fd(), FdFlags::empty())?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)?;
    if let Some(confinement) = &launch.confinement {
        confinement::enter(confinement, Path::new(program))?;
    }
    if let Some(owner) = launch.owner {
        tie_to(owner)?;
    }
    let error = std::process::Command::new(program).args(arguments).exec();
    Err(Fault::failed(format!("cannot run {}", program.display())).because(error).into())
}

#[cfg(target_os = "linux")]
fn tie_to(owner: u32) -> Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The owner may have died before the line above: then nobody would tell us.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent == Some(owner) {
        return Ok(());
    }
    Err(Fault::failed("the process that wanted this server has ended").into())
}

#[cfg(not(target_os = "linux"))]
fn tie_to(_owner: u32) -> Result<()> {
    Err(Fault::input("this platform has no parent-death signal; use --lifeline pipe").into())
}

async fn supervise(launch: &Launch<'_>, program: &OsStr, arguments: &[OsString]) -> Result<()> {
    let this = std::env::current_exe()?;
    let mut server = tokio::process::Command::new(this)
        .arg("__exec")
        .arg("--pid-file")
        .arg(launch.pid_file)
        .args(launch.confinement.iter().flat_map(Confinement::arguments))
        .arg("--")
        .arg(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut owner = tokio::io::stdin();
    let mut nothing = [0; 16];
    let owner_gone = async { while !matches!(owner.read(&mut nothing).await, Ok(0) | Err(_)) {} };
    tokio::select! {
        _ended = server.wait() => {}
        () = owner_gone => server.kill().await?,
    }
    // The runtime would wait for the thread that still reads the pipe.
    Err(Fault::interrupted().into())
}
