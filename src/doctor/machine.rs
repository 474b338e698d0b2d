//! The machine: ports, disk, names, clock.

use bytesize::ByteSize;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;

use jiff::Timestamp;

use super::Finding;
use crate::env_vars;
use crate::fault::Fault;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_stack::state::Local;

const AREA: &str = "machine";
/// Room for a server binary, its archive and a few databases.
const DISK_BYTES: u64 = 500 * 1024 * 1024;
/// 2026-01-01: a clock that shows an earlier date is wrong, since this program is newer.
const YOUNGEST: i64 = 1_767_225_600;

pub(super) fn findings(settings: &Settings) -> Result<Vec<Finding>> {
    let mut findings = ports(settings)?;
    findings.push(disk(&settings.project_dir)?);
    findings.push(names());
    if Timestamp::now().as_second() < YOUNGEST {
        findings.push(Finding::problem(AREA, "the clock is years behind", "sudo date -s TIME"));
    }
    Ok(findings)
}

fn ports(settings: &Settings) -> Result<Vec<Finding>> {
    let standing = Local::new(settings.local_dir()).standing()?;
    let ours = |port: u16| {
        let services = standing.iter().flat_map(|standing| standing.services.values());
        let mut addresses = services.flat_map(|a| [a.http, a.grpc, a.admin]).flatten();
        addresses.any(|address| address.port() == port)
    };
    let wanted = [
        (env_vars::PRIMARY_HTTP_PORT, settings.ports.primary_http),
        (env_vars::PRIMARY_GRPC_PORT, settings.ports.primary_grpc),
        (env_vars::PRIMARY_ADMIN_PORT, settings.ports.primary_admin),
        (env_vars::REPLICA_HTTP_PORT, settings.ports.replica_http),
    ];
    let look = |(variable, port): (&str, u16)| {
        if TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).is_ok() {
            return Finding::ok(AREA, format!("port {port} is free"));
        }
        if ours(port) {
            return Finding::ok(AREA, format!("port {port} is used by the standing stack"));
        }
        let by = match listeners::get_process_by_port(port, listeners::Protocol::TCP) {
            Ok(process) => format!("`{}` (pid {})", process.name, process.pid),
            Err(_) => "another program".to_owned(),
        };
        let fix = format!("stop it, or set {variable} in .env");
        Finding::problem(AREA, format!("port {port} is in use by {by}"), &fix)
    };
    Ok(wanted.into_iter().map(look).collect())
}

fn disk(folder: &Path) -> Result<Finding> {
    let facts = rustix::fs::statvfs(folder)
        .map_err(|error| Fault::failed("the free disk space cannot be read").because(error))?;
    let free = facts.f_bavail.saturating_mul(facts.f_frsize);
    let text = format!("{} free in {}", ByteSize(free).display().iec(), folder.display());
    Ok(if free < DISK_BYTES {
        Finding::problem(AREA, text, "free some disk space, or move the project")
    } else {
        Finding::ok(AREA, text)
    })
}

/// `demo` does not need these names: the check is for other clients on this machine.
fn names() -> Finding {
    let resolved = ("shop.localhost", 80).to_socket_addrs().map(|mut found| found.next());
    match resolved {
        Ok(Some(address)) if address.ip().is_loopback() => {
            Finding::ok(AREA, "NAME.localhost resolves to loopback")
        }
        _ => Finding::note(
            AREA,
            "NAME.localhost does not resolve; demo does not need it, but other clients do",
            "echo '127.0.0.1 shop.localhost' | sudo tee -a /etc/hosts",
        ),
    }
}
