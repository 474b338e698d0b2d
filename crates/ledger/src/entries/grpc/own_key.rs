//! What a namespace's own key is worth to the services that replicas use.

use secrecy::SecretString;
use serde_json::json;

use super::super::namespace_keys::TenantKey;
use super::wire::Caller;
use super::{GRANT, ROW, copied, filled};
use crate::{Area, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_stack::engine::ephemeral::EphemeralStack;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "own-key-closes-replication",
        claim: "Only holders of its key can copy a namespace with its own key",
        source: "sqld issue 500 and the Admin API's `jwt_key`",
        area: Area::Security,
        why: "It is what confines a scoped token on the HTTP port",
        mitigation: "none needed",
        how: "Hello and BatchLogEntries on the HTTP port with the server's full token for a \
              namespace that has its own jwt_key, and then with a token of that key",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (name, token) = with_own_key(context, &stack).await?;
            let caller =
                || Ok::<_, anyhow::Error>(Caller::at_http_port(context, &stack)?.namespace(&name));
            let server = caller()?.token(&stack.full_token()?).copy_log().await?;
            let tenant = caller()?.token(&token).copy_log().await?;
            let observation = if server.granted() {
                let finding = "the server's own token copies a namespace that has its own key";
                Observation::new(Verdict::Weakness, finding)
            } else if tenant.granted() && tenant.holds(ROW) {
                let finding = "a namespace with its own key is copied with a token of that key, \
                               and not with the server's full token";
                Observation::new(Verdict::AsDocumented, finding)
            } else {
                let outcome = tenant.outcome();
                let finding =
                    format!("a namespace with its own key cannot be copied at all ({outcome})");
                Observation::new(Verdict::Differs, finding)
            };
            Ok(observation.saw("Hello with the server's full token", server.describe()).saw(
                "Hello, BatchLogEntries with a token of the namespace's key",
                tenant.describe(),
            ))
        }),
    },
    Probe {
        id: "own-key-ignored-on-grpc-port",
        claim: "A namespace with its own key is closed to everybody else on every port",
        source: "sqld issue 500 and the Admin API's `jwt_key`",
        area: Area::Security,
        why: "A namespace's key does not protect it from anyone who can reach the gRPC port",
        mitigation: "Bind the gRPC port to loopback or demand client certificates",
        how: "Hello and BatchLogEntries on the gRPC port without a token, for a namespace that has \
              its own jwt_key",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (name, _token) = with_own_key(context, &stack).await?;
            let reply = Caller::at_grpc_port(context, &stack)?.namespace(&name).copy_log().await?;
            let yes = "the gRPC port hands out a namespace with its own key without a token";
            Ok(copied(&reply, yes, "the gRPC port refuses a namespace with its own key")
                .saw("Hello, BatchLogEntries on the gRPC port, no token", reply.describe()))
        }),
    },
    Probe {
        id: "own-key-guards-grpc-writes",
        claim: "A namespace with its own key takes no write from a caller that merely claims full \
                access",
        source: "sqld issue 500 and the Admin API's `jwt_key`",
        area: Area::Security,
        why: "It is the one check on the gRPC port, and why replicas cannot forward writes there",
        mitigation: "none needed",
        how: "Proxy/Execute on the gRPC port with x-proxy-authorization: \"FullAccess\" inserts \
              into a namespace that has its own jwt_key",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (name, token) = with_own_key(context, &stack).await?;
            let caller =
                Caller::at_grpc_port(context, &stack)?.namespace(&name).with(GRANT.0, GRANT.1);
            let reply = caller.execute("INSERT INTO t VALUES ('stranger')").await?;
            let tenant = stack.anonymous("primary", Some(&name))?.token(&token);
            let rows = tenant.execute("SELECT count(*) FROM t WHERE x = 'stranger'").await?;
            super::must(&rows)?;
            let yes = "a caller without a token writes to a namespace with its own key";
            let no = "a namespace with its own key refuses a caller that only claims full access";
            Ok(super::written(rows.scalar() != Some("0"), &reply, yes, no)
                .saw("INSERT over Proxy/Execute on the gRPC port, no token", reply.describe()))
        }),
    },
];

/// A namespace with one row and a key of its own, and a token of that key.
async fn with_own_key(
    context: &ProbeContext<'_>,
    stack: &EphemeralStack,
) -> Result<(NamespaceName, SecretString)> {
    let name = filled(context, stack).await?;
    let key = TenantKey::give(stack, &name).await?;
    Ok((name, key.token(&json!({ "a": "rw" }))?))
}
