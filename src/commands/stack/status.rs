//! `status`: what runs, where, and how far the replica is behind.

use bytesize::ByteSize;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{Stack, no_stack};
use crate::cli::OutputFormat;
use crate::cli::stack::StatusArgs;
use crate::commands::target;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::hrana::Hrana;
use demo_sqld_client::http::{Answer, loopback_client};
use demo_stack::engine::ServiceState;
use demo_stack::engine::native::confinement;
use demo_stack::state::{Addresses, EngineKind};

/// A healthy server answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Prints the status.
///
/// # Errors
/// Exit 3 when no service runs.
pub async fn run(settings: &Settings, args: &StatusArgs, output: &Output) -> Result<()> {
    let stack = Stack::open(settings, output).await?;
    let report = collect(settings, stack, args.namespace.as_ref()).await?;
    if report.engine == EngineKind::Native {
        output.detail(confinement::describe());
    }
    match output.format() {
        OutputFormat::Env => output.line(report.environment())?,
        _ => output.result(&report)?,
    }
    if report.services.iter().any(|service| service.running) {
        Ok(())
    } else {
        Err(no_stack().into())
    }
}

/// The standing stack as it is now.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    pub engine: EngineKind,
    pub project: String,
    pub variant: &'static str,
    pub token_path: String,
    pub services: Vec<ServiceStatus>,
}

/// One service as it is now.
#[derive(Debug, Serialize)]
pub struct ServiceStatus {
    pub name: String,
    pub running: bool,
    /// `/health` answers; the server says 200 whatever its replication does.
    pub healthy: bool,
    /// Pid or container.
    pub id: Option<String>,
    pub uptime_seconds: Option<i64>,
    pub version: Option<String>,
    pub http: Option<SocketAddr>,
    pub grpc: Option<SocketAddr>,
    pub admin: Option<SocketAddr>,
    pub replication_index: Option<u64>,
    /// How many frames it is behind the primary.
    pub lag: Option<u64>,
    pub data_bytes: u64,
    /// How often it was restarted after it had died.
    pub restarts: u32,
}

/// Asks the engine and the servers.
///
/// # Errors
/// When the engine cannot be asked.
pub(super) async fn collect(
    settings: &Settings,
    stack: Stack,
    namespace: Option<&NamespaceName>,
) -> Result<StatusReport> {
    let http = loopback_client()?;
    let token = target::own_token(settings).ok();
    let mut services = Vec::new();
    for (name, addresses) in &stack.standing.services {
        let mut service = look(&stack, name, *addresses, &http).await?;
        if let (true, Some(address), Some(token)) = (service.healthy, service.http, &token) {
            let hrana = Hrana::new(http.clone(), address).namespace(namespace).token(token);
            // A replica that cannot reach its primary hangs, while its `/health` still answers 200.
            let reply = tokio::time::timeout(PATIENCE, hrana.execute("SELECT 1")).await;
            let reply = reply.ok().and_then(Result::ok);
            service.replication_index = reply.and_then(|reply| reply.replication_index());
        }
        services.push(service);
    }
    let primary = services.iter().find(|s| s.name == "primary").and_then(|s| s.replication_index);
    for service in services.iter_mut().filter(|service| service.name != "primary") {
        let behind = |(primary, own): (u64, u64)| primary.saturating_sub(own);
        service.lag = primary.zip(service.replication_index).map(behind);
    }
    Ok(StatusReport {
        engine: stack.standing.engine,
        project: stack.standing.project,
        variant: stack.standing.variants.label(),
        token_path: settings.token_path.display().to_string(),
        services,
    })
}

async fn look(
    stack: &Stack,
    name: &str,
    addresses: Addresses,
    http: &reqwest::Client,
) -> Result<ServiceStatus> {
    let state = stack.engine.state(name).await?;
    let mut status = ServiceStatus {
        name: name.to_owned(),
        running: false,
        healthy: false,
        id: None,
        uptime_seconds: None,
        version: None,
        http: addresses.http,
        grpc: addresses.grpc,
        admin: addresses.admin,
        replication_index: None,
        lag: None,
        data_bytes: folder_size(&stack.local.data_dir().join(name)),
        restarts: stack.local.restarts(name),
    };
    let ServiceState::Running(instance) = state else {
        return Ok(status);
    };
    status.running = true;
    status.id = Some(instance.id);
    let age = instance.started_at.map(|since| Timestamp::now().as_second() - since.as_second());
    status.uptime_seconds = age;
    if let Some(address) = addresses.http {
        let ask = async |path: &str| {
            let base = format!("http://{address}");
            Answer::to(http.get(format!("{base}{path}")), &base).await.ok()
        };
        status.healthy = ask("/health").await.is_some_and(|answer| answer.status == 200);
        let version = ask("/version").await.filter(|answer| answer.status == 200);
        status.version = version.map(|answer| answer.excerpt());
    }
    Ok(status)
}

/// The size of all files under `folder` in bytes; files that cannot be read count as 0.
fn folder_size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

impl StatusReport {
    /// `KEY=value` lines for `eval`, with addresses and paths only and no secret.
    fn environment(&self) -> String {
        let mut lines = vec![format!("DEMO_ENGINE={}", self.engine)];
        for service in &self.services {
            let name = service.name.to_uppercase().replace('-', "_");
            for (what, address) in
                [("HTTP", service.http), ("GRPC", service.grpc), ("ADMIN", service.admin)]
            {
                if let Some(address) = address {
                    lines.push(format!("{name}_{what}_URL=http://{address}"));
                }
            }
        }
        let path = shell_words::quote(&self.token_path);
        lines.push(format!("DEMO_TOKEN_PATH={path}"));
        lines.join("\n")
    }
}

impl fmt::Display for StatusReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "stack     {}, {}, {} engine", self.project, self.variant, self.engine)?;
        for service in &self.services {
            write!(formatter, "\n{service}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ServiceStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.running, self.healthy) {
            (false, _) => "stopped",
            (true, false) => "no answer",
            (true, true) => "healthy",
        };
        write!(formatter, "{:<9} {state:<9}", self.name)?;
        if let Some(address) = self.http {
            write!(formatter, "   http://{address}")?;
        }
        for (what, address) in [("admin", self.admin), ("gRPC", self.grpc)] {
            if let Some(address) = address {
                write!(formatter, "   {what} :{}", address.port())?;
            }
        }
        if !self.running {
            return Ok(());
        }
        write!(formatter, "\n         ")?;
        if let Some(id) = &self.id {
            write!(formatter, " {id}")?;
        }
        if let Some(seconds) = self.uptime_seconds {
            let age = Duration::from_secs(seconds.unsigned_abs());
            write!(formatter, ", up {}", humantime::format_duration(age))?;
        }
        if let Some(index) = self.replication_index {
            write!(formatter, ", index {index}")?;
        }
        if let Some(lag) = self.lag {
            write!(
                formatter,
                ", lag {}",
                demo_report::counted(usize::try_from(lag).unwrap_or(usize::MAX), "frame")
            )?;
        }
        if self.restarts > 0 {
            let count = usize::try_from(self.restarts).unwrap_or(usize::MAX);
            write!(formatter, ", {}", demo_report::counted(count, "restart"))?;
        }
        write!(formatter, ", {}", ByteSize(self.data_bytes).display().iec())?;
        match &self.version {
            Some(version) => write!(formatter, ", {version}"),
            None => Ok(()),
        }
    }
}
