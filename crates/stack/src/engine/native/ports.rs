//! Who listens on a port of this machine.

use std::io;
use std::net::{SocketAddr, TcpListener};

use crate::engine::{Error, PortInUse};
use crate::plan::ServicePlan;

/// Fails when another program has one of the service's ports.
///
/// # Errors
/// [`Error::PortInUse`] with the name and pid of the program, where the system shows them;
/// [`Error::NoAccess`] when the port cannot be used for another reason.
pub fn check_free(service: &ServicePlan) -> Result<(), Error> {
    for port in &service.ports {
        if let Err(error) = TcpListener::bind(port.host) {
            return Err(taken(service, port.host, error));
        }
    }
    Ok(())
}

fn taken(service: &ServicePlan, address: SocketAddr, source: io::Error) -> Error {
    if source.kind() != io::ErrorKind::AddrInUse {
        return Error::NoAccess { operation: format!("listen on {address}"), source };
    }
    let port = address.port();
    let program = match listeners::get_process_by_port(port, listeners::Protocol::TCP) {
        Ok(process) => format!("`{}` (pid {})", process.name, process.pid),
        Err(_) => "another program".to_owned(),
    };
    let (interface, service) = (service.interface_at(address), service.name.clone());
    PortInUse::Program { port, program, service, interface }.into()
}

/// The pid of the process that listens on `address`.
pub fn listener(address: SocketAddr) -> Option<u32> {
    let process = listeners::get_process_by_port(address.port(), listeners::Protocol::TCP).ok()?;
    Some(process.pid)
}

/// Returns `count` ports on loopback that are free right now.
///
/// Another program may take one before a server binds it, so the caller must be prepared to ask
/// again.
///
/// # Errors
/// [`Error::NoFreePort`].
pub fn free(count: usize) -> Result<Vec<u16>, Error> {
    let attempt = || -> io::Result<Vec<u16>> {
        let bind = |_| TcpListener::bind(("127.0.0.1", 0));
        let all: Vec<TcpListener> = (0..count).map(bind).collect::<io::Result<_>>()?;
        all.iter().map(|held| Ok(held.local_addr()?.port())).collect()
    };
    attempt().map_err(Error::NoFreePort)
}
