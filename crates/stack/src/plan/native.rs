//! Translates the plan into processes of this machine, without containers.
//!
//! It translates values, not names: a path under a mount becomes the path on the host, a listen
//! address becomes the address it is published on, and a URL of a service becomes a URL on
//! loopback. It also does what the entrypoint of the image does with the environment (`SQLD_NODE`
//! and others).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Error, MountPlan, Role, ServicePlan, StackPlan, secrets};

/// One server as a process.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProcessPlan {
    pub service: String,
    #[serde(serialize_with = "secrets::masked_arguments")]
    pub arguments: Vec<String>,
    /// The complete environment of the process.
    #[serde(serialize_with = "secrets::masked_variables")]
    pub environment: BTreeMap<String, String>,
}

/// Translates every service of `plan`.
///
/// # Errors
/// [`Error::NeedsContainer`].
pub fn translate(plan: &StackPlan) -> Result<Vec<ProcessPlan>, Error> {
    plan.services.iter().map(|service| process(plan, service)).collect()
}

/// Translates one service of `plan`.
///
/// # Errors
/// As [`translate`].
pub fn process(plan: &StackPlan, service: &ServicePlan) -> Result<ProcessPlan, Error> {
    let refuse = |problem: String| Error::NeedsContainer { service: service.name.clone(), problem };
    if service.entrypoint.as_ref().is_some_and(|words| !words.is_empty()) {
        return Err(refuse("`entrypoint` needs a container".to_owned()));
    }
    // The entrypoint of the image looks for exactly this word; with any other the container
    // silently becomes a standalone server.
    if service.command.first().map(String::as_str) != Some("/bin/sqld") {
        return Err(refuse("`command` must begin with /bin/sqld".to_owned()));
    }
    let translator = Translator { plan, service };
    let mut arguments = Vec::new();
    for word in &service.command[1..] {
        arguments.push(match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => {
                format!("{flag}={}", translator.value(value).map_err(refuse)?)
            }
            _ => translator.value(word).map_err(refuse)?,
        });
    }
    for (flag, value) in entrypoint_arguments(service) {
        if service.argument(flag).is_none() {
            arguments.push(flag.to_owned());
            arguments.push(translator.value(&value).map_err(refuse)?);
        }
    }
    let mut environment = BTreeMap::new();
    for (name, value) in &service.environment {
        environment.insert(name.clone(), translator.value(value).map_err(refuse)?);
    }
    Ok(ProcessPlan { service: service.name.clone(), arguments, environment })
}

/// What the image's entrypoint appends to the command.
fn entrypoint_arguments(service: &ServicePlan) -> Vec<(&'static str, String)> {
    let variable = |name: &str, default: &str| {
        service.environment.get(name).map_or(default, String::as_str).to_owned()
    };
    let mut arguments = vec![
        ("--db-path", variable("SQLD_DB_PATH", "iku.db")),
        ("--http-listen-addr", variable("SQLD_HTTP_LISTEN_ADDR", "0.0.0.0:8080")),
    ];
    match service.role {
        Role::Primary => {
            let address = variable("SQLD_GRPC_LISTEN_ADDR", "0.0.0.0:5001");
            arguments.push(("--grpc-listen-addr", address));
        }
        Role::Replica => {
            arguments.push(("--primary-grpc-url", variable("SQLD_PRIMARY_URL", "")));
        }
        Role::Standalone => {}
    }
    arguments
}

struct Translator<'a> {
    plan: &'a StackPlan,
    service: &'a ServicePlan,
}

impl Translator<'_> {
    fn value(&self, text: &str) -> Result<String, String> {
        if let Some(path) = self.host_path(text) {
            return path;
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return self.listen_address(address);
        }
        self.url(text)
    }

    /// The path on the host; `None` when the text is not a path of the container.
    fn host_path(&self, text: &str) -> Option<Result<String, String>> {
        if !text.starts_with('/') {
            return None;
        }
        let under = |mount: &MountPlan| -> Option<PathBuf> {
            let rest = Path::new(text).strip_prefix(&mount.target).ok()?;
            let whole = rest.as_os_str().is_empty();
            Some(if whole { mount.source.clone() } else { mount.source.join(rest) })
        };
        // The deepest mount wins, as in the container.
        let mounts = self.service.mounts.iter().filter_map(|m| Some((m.target.len(), under(m)?)));
        let deepest = mounts.max_by_key(|(length, _)| *length).map(|(_, path)| path);
        Some(match deepest {
            Some(path) => path
                .to_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("the path {} is not UTF-8", path.display())),
            None => Err(format!("{text} is not under a mount, so it has no path on this machine")),
        })
    }

    fn listen_address(&self, address: SocketAddr) -> Result<String, String> {
        let published = self.service.ports.iter().find(|port| port.target == address.port());
        published.map(|port| port.host.to_string()).ok_or_else(|| {
            format!("{address} is not published, so there is no address for it on this machine")
        })
    }

    /// Translates a URL whose host is a service; any other text is left unchanged.
    fn url(&self, text: &str) -> Result<String, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(text.to_owned());
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        let Some(target) = self.plan.services.iter().find(|service| service.name == host) else {
            return Ok(text.to_owned());
        };
        let number = match (port, scheme) {
            ("", "https") => 443,
            ("", _) => 80,
            (digits, _) => digits.parse().map_err(|_| format!("`{text}` has no valid port"))?,
        };
        let address = target
            .published(number)
            .ok_or_else(|| format!("{text} uses a port of `{host}` that is not published"))?;
        Ok(format!("{scheme}://{address}{path}"))
    }
}
