//! Who listens on a port of this machine.

use std::net::{SocketAddr, TcpListener};

use crate::plan::{Interface, ServicePlan};
use demo_base::error::{Fault, Result};

/// Fails when another program has one of the service's ports.
///
/// # Errors
/// Exit 2 with the name and pid of the program, where the system shows them.
pub fn check_free(service: &ServicePlan) -> Result<()> {
    for port in &service.ports {
        if let Err(error) = TcpListener::bind(port.host) {
            return Err(taken(service, port.host, error).into());
        }
    }
    Ok(())
}

fn taken(service: &ServicePlan, address: SocketAddr, error: std::io::Error) -> Fault {
    let port = address.port();
    if error.kind() != std::io::ErrorKind::AddrInUse {
        return Fault::input(format!("cannot listen on {address}")).because(error);
    }
    let by = match listeners::get_process_by_port(port, listeners::Protocol::TCP) {
        Ok(process) => format!("`{}` (pid {})", process.name, process.pid),
        Err(_) => "another program".to_owned(),
    };
    Fault::input(format!("port {port} is in use by {by}"))
        .hint(format!("stop it, or {}", variable(service, address)))
}

/// How to make a service publish another port than `address`.
pub fn variable(service: &ServicePlan, address: SocketAddr) -> String {
    let interfaces = [Interface::Http, Interface::Grpc, Interface::Admin];
    match interfaces.into_iter().find(|i| service.endpoint(*i) == Some(address)) {
        Some(interface) => {
            let variable = format!("{}_{interface}_PORT", service.name).to_uppercase();
            format!("set {variable} in .env")
        }
        None => "publish another port in the compose file".to_owned(),
    }
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
/// When the system has none.
pub fn free(count: usize) -> Result<Vec<u16>> {
    let fault = |error| Fault::failed("there is no free port on 127.0.0.1").because(error);
    let all: std::io::Result<Vec<TcpListener>> =
        (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect();
    let ports: std::io::Result<Vec<u16>> =
        all.map_err(fault)?.iter().map(|held| Ok(held.local_addr()?.port())).collect();
    Ok(ports.map_err(fault)?)
}
