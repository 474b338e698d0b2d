//! Where the attacks take place: a stack, a gate in front of it, and tenants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use secrecy::SecretString;
use serde_json::json;

use crate::entries::embedded::support::{self, Opening};
use crate::entries::grpc::wire::Caller;
use crate::entries::http_api::wire::{Wire, scalar, verdict_of};
use crate::entries::websocket::Session;
use crate::gate_audit::Target;
use crate::{Error, ProbeContext};
use demo_base::error::Result;
use demo_base::files;
use demo_config::file as config_file;
use demo_gate::config::Config;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::hrana::Hrana;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::blueprint::Variants;
use demo_stack::plan::{Interface, StackPlan};

/// What is in the other tenant's table.
pub(super) const SECRET: &str = "row-of-another-tenant-6b1f";
/// The server's `LIBSQL_GID`.
pub(super) const GROUP: &str = "group";
/// One step between a server's mount and its data path.
const OUTER: &str = "outer";

/// A primary and a replica with namespaces and a key; anything that escapes their data
/// paths stays in the stack's own folder.
///
/// # Errors
/// When it does not come up.
pub async fn stack(context: &ProbeContext<'_>) -> Result<Rc<EphemeralStack>> {
    context
        .own(Variants::NAMESPACED, |plan: &mut StackPlan, _| {
            for service in &mut plan.services {
                service.environment.insert("LIBSQL_GID".to_owned(), GROUP.to_owned());
                for mount in service.mounts.iter().filter(|mount| !mount.read_only) {
                    let outer = mount.source.join(OUTER);
                    files::create_dir(&outer, 0o777)?;
                    let path = format!("{}/{OUTER}/data.sqld", mount.target);
                    service.environment.insert("SQLD_DB_PATH".to_owned(), path);
                }
            }
            Ok(())
        })
        .await
}

/// Two tenants; `own` is the attacker's.
pub(super) struct Tenants {
    pub own: NamespaceName,
    pub other: NamespaceName,
}

/// What an attack works on.
pub struct AttackContext<'a> {
    pub context: &'a ProbeContext<'a>,
    pub stack: Rc<EphemeralStack>,
    gate: SocketAddr,
}

impl<'a> AttackContext<'a> {
    pub fn new(context: &'a ProbeContext<'a>, stack: Rc<EphemeralStack>, gate: SocketAddr) -> Self {
        Self { context, stack, gate }
    }

    /// The address of `interface` of `service` for `target`: behind a gate, always the
    /// gate's.
    pub(super) fn at(
        &self,
        target: Target,
        service: &str,
        interface: Interface,
    ) -> Result<SocketAddr> {
        match target {
            Target::Server => Ok(self.stack.address(service, interface)?),
            Target::Gate => Ok(self.gate),
        }
    }

    /// A client of the primary's HTTP port without a token.
    pub(super) fn wire(&self, target: Target) -> Result<Wire> {
        Ok(Wire::at(self.context.http(), self.at(target, "primary", Interface::Http)?))
    }

    /// A client of the replica's HTTP port without a token.
    pub(super) fn replica(&self, target: Target) -> Result<Wire> {
        Ok(Wire::at(self.context.http(), self.at(target, "replica", Interface::Http)?))
    }

    /// A caller of gRPC on the HTTP port.
    pub(super) fn caller(&self, target: Target) -> Result<Caller> {
        Ok(Caller::over_http(self.context, self.at(target, "primary", Interface::Http)?))
    }

    /// A caller of the gRPC port.
    pub(super) fn grpc_caller(&self, target: Target) -> Result<Caller> {
        Ok(Caller::over_grpc(self.context, self.at(target, "primary", Interface::Grpc)?))
    }

    /// Two new namespaces with a table `t (x)`; the other's has [`SECRET`] in it.
    pub(super) async fn tenants(&self) -> Result<Tenants> {
        let own = support::filled(self.context, &self.stack, "own").await?;
        let other = support::filled(self.context, &self.stack, "other").await?;
        let insert = format!("INSERT INTO t VALUES ('{SECRET}')");
        support::run(&self.inside(&other)?, &insert).await?;
        Ok(Tenants { own, other })
    }

    /// The operator's way to a namespace, past the gate.
    pub(super) fn inside(&self, name: &NamespaceName) -> Result<Hrana> {
        self.stack.hrana("primary", Some(name))
    }

    /// Whether `text` is in the table of `name`.
    pub(super) async fn holds(&self, name: &NamespaceName, text: &str) -> Result<bool> {
        let sql = format!("SELECT count(*) FROM t WHERE x = '{text}'");
        let reply = self.inside(name)?.execute(&sql).await?;
        Ok(reply.scalar() == Some("1"))
    }

    /// A token that reads and writes `name`, for ten minutes.
    pub(super) fn token(&self, name: &NamespaceName) -> Result<SecretString> {
        let end = jiff::Timestamp::now().as_second() + 600;
        self.stack.token_with(&json!({ "p": { "rw": { "ns": [name] } }, "exp": end }))
    }

    /// A token that may read `name` and nothing else, for ten minutes.
    pub(super) fn reader(&self, name: &NamespaceName) -> Result<SecretString> {
        let end = jiff::Timestamp::now().as_second() + 600;
        self.stack.token_with(&json!({ "p": { "ro": { "ns": [name] } }, "exp": end }))
    }

    /// A folder of the replica's data, beside the data path for `..`.
    pub(super) fn replica_folder(&self, below: &str) -> Result<PathBuf> {
        let mounts = &self.stack.service("replica")?.mounts;
        let mount = mounts.iter().find(|mount| !mount.read_only);
        let own = mount.filter(|mount| mount.source.starts_with(self.stack.folder()));
        let own =
            own.ok_or_else(|| Error::experiment("the data is not in the stack's own folder"))?;
        Ok(own.source.join(OUTER).join(below))
    }
}

/// The gate's configuration: all servers, the stack's key, nobody special.
///
/// # Errors
/// When the stack lacks a primary.
pub fn config(stack: &EphemeralStack) -> Result<Config> {
    let url = |service: &str| -> Result<String> {
        Ok(format!("http://{}", stack.address(service, Interface::Http)?))
    };
    let others = stack.plan.services.iter().filter(|service| service.name != "primary");
    let replicas: Vec<String> = others.map(|service| url(&service.name)).collect::<Result<_>>()?;
    let text = json!({
        "primary": url("primary")?,
        "replicas": replicas,
        "keys": stack.folder().join(".local/jwt/jwt.pub"),
    });
    // JSON is YAML.
    Ok(config_file::parse(
        "the configuration of the gate_audit",
        &text.to_string(),
        &BTreeMap::new(),
    )?)
}

/// What a token's holder must be able to do through the gate.
///
/// # Errors
/// The first thing that does not work.
pub async fn rightful(context: &AttackContext<'_>) -> Result<Vec<String>> {
    let Tenants { own, .. } = context.tenants().await?;
    let token = context.token(&own)?;
    let mut done = Vec::new();
    let wire = context.wire(Target::Gate)?.token(Some(token.clone()));
    let insert = "INSERT INTO t VALUES ('rightful')";
    for (name, wire) in [
        ("write by host", wire.clone().namespace(&own)),
        ("write by x-namespace", wire.clone().header("x-namespace", own.as_str())),
    ] {
        must(name, verdict_of(&wire.execute(insert).await?))?;
        done.push(name.to_owned());
    }
    let count = wire.clone().namespace(&own).execute("SELECT count(*) FROM t").await?;
    must("read its own writes", scalar(&count).unwrap_or_default().replace('3', "ok"))?;
    done.push("read its own writes".to_owned());
    let address = context.at(Target::Gate, "primary", Interface::Http)?;
    let mut socket = Session::open(address, &own, &token).await?;
    must("write by WebSocket", socket.execute(insert).await?)?;
    done.push("write by WebSocket".to_owned());
    let folder = context.context.scratch()?;
    let opening = Opening::of(&context.stack, format!("http://{address}"))?;
    let opening = opening.namespace(&own).token(token);
    let replica = opening.replica(&folder.path().join("own.db")).await??;
    support::sync(&replica).await?;
    support::write(&replica, insert).await?;
    let rows = support::read(&replica, "SELECT count(*) FROM t").await?;
    must("sync and write an embedded replica", rows.replace('5', "ok"))?;
    done.push("sync and write an embedded replica".to_owned());
    Ok(done)
}

fn must(what: &str, verdict: String) -> Result<(), Error> {
    if verdict == "ok" {
        return Ok(());
    }
    let what = format!("the gate keeps a token's holder from this: {what}");
    Err(Error::experiment_saw(what, verdict))
}
