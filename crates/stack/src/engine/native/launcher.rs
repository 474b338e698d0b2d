//! `demo __exec`: a child process of `demo` becomes the server.
//!
//! It locks the pid file, ties its life to that of its owner, and executes the server in its own
//! place, so that the pid, the lock and the parent-death signal are those of the server. It
//! disables core files, which would contain every key in memory. With a [`Confinement`] it first
//! becomes another user. Changing the user clears the parent-death signal, so the signal is set
//! last. macOS has no such signal: there a supervisor stays in between, holds the read end of a
//! pipe, and kills the server when the write end closes, which the kernel does however the owner
//! dies.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;

use rustix::io::FdFlags;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::AsyncReadExt;

use super::confinement::{self, Confinement};
use super::pid_file::PidFile;
use crate::engine::Error;
use demo_base::choice::Choice;
use demo_base::error::Result;

/// How the server learns that its owner has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lifeline {
    /// The kernel's parent-death signal (Linux).
    Signal,
    /// A supervisor with a pipe on its stdin (every platform).
    Pipe,
}

impl Lifeline {
    /// The better choice on this platform.
    pub const HERE: Self = if cfg!(target_os = "linux") { Self::Signal } else { Self::Pipe };
}

impl Choice for Lifeline {
    const ALL: &'static [Self] = &[Self::Signal, Self::Pipe];

    fn word(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Pipe => "pipe",
        }
    }

    fn help(self) -> Option<&'static str> {
        Some(match self {
            Self::Signal => "The kernel's parent-death signal (Linux)",
            Self::Pipe => "A supervisor that holds the read end of a pipe (every platform)",
        })
    }
}

/// What the launcher is asked to do.
#[derive(Debug)]
pub struct Launch<'a> {
    pub pid_file: &'a Path,
    /// The server ends when this process ends.
    pub owner: Option<u32>,
    pub lifeline: Lifeline,
    /// What the server is confined to; `None` runs it as the current user.
    pub confinement: Option<Confinement>,
    /// The program and its arguments.
    pub command: &'a [OsString],
}

/// Becomes the server; with the pipe lifeline, becomes its supervisor and returns when the server
/// has ended.
///
/// # Errors
/// [`Error::NoProgram`]; [`Error::PidFileHeld`]; [`Error::Unconfined`]; [`Error::OwnerEnded`]; another
/// [`Error`] or an error of the system when the program cannot be run. A supervisor ends with
/// [`demo_base::Error::Interrupted`].
pub async fn launch(launch: Launch<'_>) -> Result<()> {
    let Some((program, arguments)) = launch.command.split_first() else {
        return Err(Error::NoProgram.into());
    };
    // Ctrl-C on a terminal is meant for the owner, which then stops its servers in order.
    let _leads_already = rustix::process::setsid();
    if launch.owner.is_some() && launch.lifeline == Lifeline::Pipe {
        return supervise(&launch, program, arguments).await;
    }
    become_server(&launch, program, arguments)
}

fn become_server(launch: &Launch<'_>, program: &OsStr, arguments: &[OsString]) -> Result<()> {
    let lock = PidFile::new(launch.pid_file).take()?;
    // The lock belongs to this descriptor, so the descriptor must survive the exec.
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
    Err(Error::Refused { operation: format!("run {}", program.display()), source: error }.into())
}

#[cfg(target_os = "linux")]
fn tie_to(owner: u32) -> Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // If the owner died before the line above, no signal would come.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent == Some(owner) {
        return Ok(());
    }
    Err(Error::OwnerEnded.into())
}

#[cfg(not(target_os = "linux"))]
fn tie_to(_owner: u32) -> Result<(), Error> {
    let missing = "this platform has no parent-death signal; use --lifeline pipe";
    Err(Error::NotOnThisPlatform(missing))
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
    // The runtime would wait for the thread that is still reading the pipe.
    Err(demo_base::Error::Interrupted.into())
}
