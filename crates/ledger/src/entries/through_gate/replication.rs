//! What replicas use: the gRPC port, and gRPC on the HTTP port.

use serde_json::{Map, Value};

use super::attack_context::{AttackContext, SECRET, Tenants};
use crate::entries::embedded::support::{self, Opening};
use crate::entries::grpc::GRANT;
use crate::entries::grpc::wire::{Caller, new_client_id};
use crate::gate_audit::{Attack, Attempt, Target};
use demo_base::error::Result;
use demo_sqld::keys::SigningKey;
use demo_sqld::namespace::NamespaceName;
use demo_stack::plan::Interface;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "scoped-token-copies-other-namespace",
        how: "Hello and BatchLogEntries for another namespace on the HTTP port",
        run: &Attack::run(async |context, target| {
            let Tenants { own, other } = context.tenants().await?;
            let caller = context.caller(target)?.token(&context.token(&own)?).namespace(&other);
            copied(&caller).await
        }),
    },
    Attack {
        id: "embedded-scoped-token",
        how: "The official client syncs an embedded replica of another namespace",
        run: &Attack::run(async |context, target| {
            let Tenants { own, other } = context.tenants().await?;
            let address = context.at(target, "primary", Interface::Http)?;
            let folder = context.context.scratch()?;
            let opening = Opening::of(&context.stack, format!("http://{address}"))?;
            let opening = opening.namespace(&other).token(context.token(&own)?);
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
        }),
    },
    Attack {
        id: "client-id-crosses-namespaces",
        how: "Proxy/Execute in one's own namespace with another client's id",
        run: &Attack::run(async |context, target| {
            let Tenants { own, other } = context.tenants().await?;
            let id = dashed(&new_client_id()?);
            let caller = |name: &NamespaceName| -> Result<Caller> {
                let caller = context.caller(target)?.token(&context.token(name)?);
                Ok(caller.namespace(name).client_id(&id))
            };
            caller(&other)?.execute("SELECT 1").await?;
            let reply = caller(&own)?.execute(INSERT).await?;
            Ok(Attempt::new(context.holds(&other, "stranger").await?, reply.describe()))
        }),
    },
    Attack {
        id: "malformed-rights-header-on-http-port",
        how: "Proxy/Execute with x-proxy-authorization: zz, without a token",
        run: &Attack::run(async |context, target| {
            let caller = context.caller(target);
            malformed(context, caller, false).await
        }),
    },
    Attack {
        id: "grpc-reads-without-token",
        how: "Hello and BatchLogEntries without a token where the gRPC port is reached",
        run: &Attack::run(async |context, target| without_token(context, target, false).await),
    },
    Attack {
        id: "own-key-ignored-on-grpc-port",
        how: "The same for a namespace with a key of its own",
        run: &Attack::run(async |context, target| without_token(context, target, true).await),
    },
    Attack {
        id: "grpc-writes-without-token",
        how: "Proxy/Execute with x-proxy-authorization: \"FullAccess\", without a token",
        run: &Attack::run(async |context, target| {
            let Tenants { other, .. } = context.tenants().await?;
            let caller = context.grpc_caller(target)?.namespace(&other).with(GRANT.0, GRANT.1);
            let saw = match caller.execute(INSERT).await {
                Ok(reply) => reply.describe(),
                Err(error) => format!("{error:#}"),
            };
            Ok(Attempt::new(context.holds(&other, "stranger").await?, saw))
        }),
    },
    Attack {
        id: "malformed-rights-header-panics",
        how: "Proxy/Execute with x-proxy-authorization: zz where the gRPC port is reached",
        run: &Attack::run(async |context, target| {
            let caller = context.grpc_caller(target);
            malformed(context, caller, true).await
        }),
    },
];

const INSERT: &str = "INSERT INTO t VALUES ('stranger')";

async fn copied(caller: &Caller) -> Result<Attempt> {
    let reply = match caller.copy_log().await {
        Ok(reply) => reply,
        // Not an answer of gRPC at all.
        Err(error) => return Ok(Attempt::new(false, format!("{error:#}"))),
    };
    Ok(Attempt::new(reply.granted() && reply.holds(SECRET), reply.describe()))
}

/// As the official client writes it.
fn dashed(id: &str) -> String {
    [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-")
}

async fn without_token(
    context: &AttackContext<'_>,
    target: Target,
    own_key: bool,
) -> Result<Attempt> {
    let Tenants { other, .. } = context.tenants().await?;
    if own_key {
        let pem = Value::String(SigningKey::generate()?.public().to_pem());
        let config = Map::from_iter([("jwt_key".to_owned(), pem)]);
        context.stack.admin()?.configure(&other, config).await?;
    }
    copied(&context.grpc_caller(target)?.namespace(&other)).await
}

/// A handler that panics drops the connection.
async fn malformed(
    context: &AttackContext<'_>,
    caller: Result<Caller>,
    existing: bool,
) -> Result<Attempt> {
    let name =
        if existing { context.tenants().await?.other } else { context.context.name("missing")? };
    let caller = caller?.namespace(&name).with(GRANT.0, "zz");
    Ok(match caller.execute("SELECT 1").await {
        Ok(reply) => Attempt::new(false, reply.describe()),
        Err(error) => Attempt::new(true, format!("the connection was dropped: {error:#}")),
    })
}
