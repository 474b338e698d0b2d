//! What can go wrong when servers are started, watched and stopped.

use std::io;
use std::path::PathBuf;

use crate::plan::Interface;
use demo_base::error::Cause;

/// What can go wrong when servers are started, watched and stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another program has a port of a service.
    #[error(transparent)]
    PortInUse(#[from] PortInUse),
    /// A file that a service mounts does not exist.
    #[error("the mounted {} is missing", path.display())]
    MountMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A service has no port on which it can be asked whether it is ready.
    #[error("service `{service}` publishes no HTTP port")]
    NoHealthPort {
        /// The name of the service.
        service: String,
    },
    /// A service has ended instead of becoming ready.
    #[error("{service} ended before it was ready")]
    Ended {
        /// The name of the service.
        service: String,
    },
    /// A service has not become ready.
    #[error("{problem}")]
    NotReady {
        /// What was seen of it.
        problem: String,
        /// What was seen last, and the last lines of its log.
        source: Cause,
    },
    /// The folder of an ephemeral stack has another owner.
    #[error("{} belongs to another run", folder.display())]
    Owned {
        /// The folder.
        folder: PathBuf,
    },
    /// The system does not tell which program this is.
    #[error("demo cannot find its own executable")]
    NoExecutable(#[source] io::Error),
    /// There is no server to run as a process of this machine.
    #[error("there is no server binary")]
    NoServer,
    /// The system has no free port.
    #[error("there is no free port on 127.0.0.1")]
    NoFreePort(#[source] io::Error),
    /// The system refuses the use of a file, a folder or a port.
    #[error("cannot {operation}")]
    NoAccess {
        /// The operation, as in "write run/primary.pid".
        operation: String,
        /// The system's error.
        source: io::Error,
    },
    /// The system refuses an operation on a process.
    #[error("cannot {operation}")]
    Refused {
        /// The operation, as in "run /bin/sqld".
        operation: String,
        /// The system's error.
        source: io::Error,
    },
    /// A server could read and change the files of `demo`.
    #[error(
        "service `{service}` would write to {}, in which demo keeps its own files",
        folder.display()
    )]
    NotSeparate {
        /// The name of the service.
        service: String,
        /// The folder that it mounts.
        folder: PathBuf,
    },
    /// A server cannot write its data.
    #[error("service `{service}` cannot write {}", folder.display())]
    Unwritable {
        /// The name of the service.
        service: String,
        /// The folder that it mounts.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The server cannot be kept from what it must not see.
    #[error("cannot run the server as user {user}")]
    Unconfined {
        /// The user, by number.
        user: u32,
        /// The system's error.
        source: io::Error,
    },
    /// A running server has the pid file.
    #[error("a running server holds {}", path.display())]
    PidFileHeld {
        /// The pid file.
        path: PathBuf,
    },
    /// A killed process is still there.
    #[error("{service} has not ended")]
    StillRuns {
        /// The name of the service.
        service: String,
    },
    /// The launcher was given no program.
    #[error("there is no program to run")]
    NoProgram,
    /// The process to which a server was to be tied has ended.
    #[error("the process that started this server has ended")]
    OwnerEnded,
    /// This platform lacks something that was asked for.
    #[error("{0}")]
    NotOnThisPlatform(&'static str),
}

/// Another program has a port of a service.
#[derive(Debug, thiserror::Error)]
pub enum PortInUse {
    /// A program of this machine listens on it.
    #[error("port {port} is in use by {program}")]
    Program {
        /// The number of the port.
        port: u16,
        /// The program, as in "`nginx` (pid 7)".
        program: String,
        /// The service that publishes the port.
        service: String,
        /// The interface of the service at the port.
        interface: Option<Interface>,
    },
    /// A container publishes it.
    #[error("port {port} is in use by container `{container}`")]
    Container {
        /// The number of the port.
        port: u16,
        /// The name of the container.
        container: String,
        /// The service that publishes the port.
        service: String,
        /// The interface of the service at the port.
        interface: Option<Interface>,
    },
    /// Docker could not bind it for a container that it was asked to start.
    #[error("Docker cannot {request}")]
    Docker {
        /// What it was asked to do, as in "start primary".
        request: String,
        /// What it answered.
        source: Cause,
    },
    /// The server could not bind it.
    #[error("{problem}")]
    Server {
        /// What was seen of the server.
        problem: String,
        /// What was seen last, and the last lines of its log.
        source: Cause,
    },
}
