//! What replicas use: the gRPC port, and gRPC on the HTTP port.

use futures::FutureExt;
use serde_json::{Map, Value};

use super::field::{Field, SECRET, Tenants};
use crate::entries::embedded::support::{self, Opening};
use crate::entries::grpc::GRANT;
use crate::entries::grpc::wire::{Caller, new_client_id};
use crate::siege::{Attack, Attempt, Target};
use demo_base::error::Result;
use demo_sqld::keys::SigningKey;
use demo_sqld::namespace::NamespaceName;
use demo_stack::plan::Interface;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "scoped-token-copies-other-namespace",
        how: "Hello and BatchLogEntries for another namespace on the HTTP port",
        run: |field, target| copies(field, target).boxed_local(),
    },
    Attack {
        id: "embedded-scoped-token",
        how: "The official client syncs an embedded replica of another namespace",
        run: |field, target| embedded(field, target).boxed_local(),
    },
    Attack {
        id: "client-id-crosses-namespaces",
        how: "Proxy/Execute in one's own namespace with another client's id",
        run: |field, target| client_id(field, target).boxed_local(),
    },
    Attack {
        id: "malformed-rights-header-on-http-port",
        how: "Proxy/Execute with x-proxy-authorization: zz, without a token",
        run: |field, target| {
            let caller = field.caller(target);
            malformed(field, caller, false).boxed_local()
        },
    },
    Attack {
        id: "grpc-reads-without-token",
        how: "Hello and BatchLogEntries without a token where the gRPC port is reached",
        run: |field, target| without_token(field, target, false).boxed_local(),
    },
    Attack {
        id: "own-key-ignored-on-grpc-port",
        how: "The same for a namespace with a key of its own",
        run: |field, target| without_token(field, target, true).boxed_local(),
    },
    Attack {
        id: "grpc-writes-without-token",
        how: "Proxy/Execute with x-proxy-authorization: \"FullAccess\", without a token",
        run: |field, target| writes(field, target).boxed_local(),
    },
    Attack {
        id: "malformed-rights-header-panics",
        how: "Proxy/Execute with x-proxy-authorization: zz where the gRPC port is reached",
        run: |field, target| {
            let caller = field.grpc_caller(target);
            malformed(field, caller, true).boxed_local()
        },
    },
];

const INSERT: &str = "INSERT INTO t VALUES ('stranger')";

async fn copies(field: &Field<'_>, target: Target) -> Result<Attempt> {
    let Tenants { own, other } = field.tenants().await?;
    let caller = field.caller(target)?.token(&field.token(&own)?).namespace(&other);
    copied(&caller).await
}

async fn copied(caller: &Caller) -> Result<Attempt> {
    let reply = match caller.copy_log().await {
        Ok(reply) => reply,
        // Not an answer of gRPC at all.
        Err(error) => return Ok(Attempt::new(false, format!("{error:#}"))),
    };
    Ok(Attempt::new(reply.granted() && reply.holds(SECRET), reply.describe()))
}

async fn embedded(field: &Field<'_>, target: Target) -> Result<Attempt> {
    let Tenants { own, other } = field.tenants().await?;
    let address = field.at(target, "primary", Interface::Http)?;
    let folder = field.lab.scratch()?;
    let opening = Opening::of(&field.stack, format!("http://{address}"))?;
    let opening = opening.namespace(&other).token(field.token(&own)?);
    let replica = match opening.replica(&folder.path().join("other.db")).await? {
        Ok(replica) => replica,
        Err(error) => return Ok(Attempt::new(false, error.to_string())),
    };
    let synced = support::sync(&replica).await;
    let rows = support::rows(&replica).await;
    let got_in = rows.as_ref().is_ok_and(|rows| rows.contains(SECRET));
    Ok(Attempt::new(
        got_in,
        format!("sync {}, rows {}", support::told(&synced), support::told(&rows)),
    ))
}

async fn client_id(field: &Field<'_>, target: Target) -> Result<Attempt> {
    let Tenants { own, other } = field.tenants().await?;
    let id = dashed(&new_client_id()?);
    let caller = |name: &NamespaceName| -> Result<Caller> {
        let caller = field.caller(target)?.token(&field.token(name)?);
        Ok(caller.namespace(name).client_id(&id))
    };
    caller(&other)?.execute("SELECT 1").await?;
    let reply = caller(&own)?.execute(INSERT).await?;
    Ok(Attempt::new(field.holds(&other, "stranger").await?, reply.describe()))
}

/// As the official client writes it.
fn dashed(id: &str) -> String {
    [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-")
}

async fn without_token(field: &Field<'_>, target: Target, own_key: bool) -> Result<Attempt> {
    let Tenants { other, .. } = field.tenants().await?;
    if own_key {
        let pem = Value::String(SigningKey::generate()?.public().to_pem());
        let config = Map::from_iter([("jwt_key".to_owned(), pem)]);
        field.stack.admin()?.configure(&other, config).await?;
    }
    copied(&field.grpc_caller(target)?.namespace(&other)).await
}

async fn writes(field: &Field<'_>, target: Target) -> Result<Attempt> {
    let Tenants { other, .. } = field.tenants().await?;
    let caller = field.grpc_caller(target)?.namespace(&other).with(GRANT.0, GRANT.1);
    let saw = match caller.execute(INSERT).await {
        Ok(reply) => reply.describe(),
        Err(error) => format!("{error:#}"),
    };
    Ok(Attempt::new(field.holds(&other, "stranger").await?, saw))
}

/// A handler that panics takes the connection with it.
async fn malformed(field: &Field<'_>, caller: Result<Caller>, existing: bool) -> Result<Attempt> {
    let name = if existing { field.tenants().await?.other } else { field.lab.name("missing")? };
    let caller = caller?.namespace(&name).with(GRANT.0, "zz");
    Ok(match caller.execute("SELECT 1").await {
        Ok(reply) => Attempt::new(false, reply.describe()),
        Err(error) => Attempt::new(true, format!("the connection was dropped: {error:#}")),
    })
}
