//! A namespace's own key on a replica.

use std::time::Duration;

use serde_json::json;

use super::{COUNT, TenantKey, must, outcome, with_table};
use crate::{Area, Engines, Observation, Probe, Verdict, within};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::hrana::{Hrana, Reply};
use demo_stack::engine::ephemeral::EphemeralStack;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "own-key-on-replica",
        claim: "A replica enforces the same namespace key as the primary",
        source: "sqld issue 500 and the Admin API's `jwt_key`",
        area: Area::Security,
        why: "The namespace is only as closed as its most open server",
        mitigation: "none needed",
        how: "SELECT on the replica with a token of the namespace's jwt_key, repeated until it \
              works, for 3 s; then with the server's full token",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = with_table(context, &stack).await?;
            let key = TenantKey::give(&stack, &name).await?;
            let tenant = tenant_on(&stack, "replica", &name, &key)?;
            let tenant = settled(&tenant).await?;
            let server = stack.hrana("replica", Some(&name))?.execute("SELECT 1").await?;
            let verdict = match (server.succeeded(), tenant.succeeded()) {
                (true, _) => Verdict::Weakness,
                (false, true) => Verdict::AsDocumented,
                (false, false) => Verdict::Differs,
            };
            let finding = format!(
                "the replica answers {} to the server's full token and, once it has the data, {} \
                 to one of the namespace's key",
                outcome(&server),
                outcome(&tenant)
            );
            Ok(Observation::new(verdict, finding)
                .replied("SELECT on the replica with the server's full token", &server)
                .replied("SELECT on the replica with a token of the namespace's key", &tenant))
        }),
    },
    Probe {
        id: "own-key-breaks-first-read-on-replica",
        claim: "A replica answers the first read of a namespace with its own key",
        source: "assumption; the Admin API's `jwt_key`",
        area: Area::Replication,
        why: "Until it has the data, a replica forwards reads to the primary without the token \
              that the primary requires",
        mitigation: "Retry a read that is answered with 500",
        how: "The first SELECT on the replica with a token of the key, for up to 8 new namespaces \
              until one fails: whether the data is there by then is a race",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let mut failure = None;
            for _attempt in 0..NAMESPACES {
                let name = with_table(context, &stack).await?;
                let key = TenantKey::give(&stack, &name).await?;
                let reply = tenant_on(&stack, "replica", &name, &key)?.execute(COUNT).await?;
                if !reply.succeeded() {
                    failure = Some(reply);
                    break;
                }
            }
            Ok(match failure {
                None => Observation::new(
                    Verdict::AsDocumented,
                    "the first read on a replica works for a namespace with its own key",
                ),
                Some(reply) => Observation::new(
                    Verdict::Differs,
                    format!(
                        "the first read on a replica of a namespace with its own key is answered \
                         {}",
                        outcome(&reply)
                    ),
                )
                .replied("the first SELECT on the replica with a token of its key", &reply),
            })
        }),
    },
    Probe {
        id: "own-key-late-on-replica",
        claim: "A new key of a namespace applies on its replicas at once",
        source: "assumption; the Admin API's `jwt_key`",
        area: Area::Security,
        why: "Changing the key is how to lock somebody out",
        mitigation: "Restart the replicas after a change of a namespace's key",
        how: "The replica has the namespace; it gets a jwt_key and then a row on the primary. \
              Reads on the replica with the server's full token are repeated until they are \
              refused, for 1.5 s",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = with_table(context, &stack).await?;
            let replica = stack.hrana("replica", Some(&name))?;
            must(&settled(&replica).await?)?;
            let key = TenantKey::give(&stack, &name).await?;
            let tenant = tenant_on(&stack, "primary", &name, &key)?;
            must(&tenant.execute("INSERT INTO t VALUES (1)").await?)?;
            let refused = poll("the server's token is refused", IN_FORCE, async || {
                let reply = replica.execute("SELECT 1").await?;
                Ok(if reply.succeeded() {
                    Attempt::Again(reply.describe())
                } else {
                    Attempt::Done(reply)
                })
            })
            .await;
            let last = match refused {
                Ok(reply) => reply,
                // Still open: what it says now is the proof.
                Err(_) => replica.execute("SELECT 1").await?,
            };
            Ok(Observation::either(
                last.succeeded(),
                (
                    Verdict::Weakness,
                    "a replica that has the namespace goes on taking the server's tokens after the \
                     namespace got its own key",
                ),
                (
                    Verdict::AsDocumented,
                    "the replica refuses the server's tokens soon after the change",
                ),
            )
            .replied("SELECT on the replica with the server's full token", &last))
        }),
    },
    Probe {
        id: "own-key-breaks-writes-through-replica",
        claim: "A write through a replica works for a namespace with its own key",
        source: "docs/USER_GUIDE, replicas forward writes",
        area: Area::Replication,
        why: "The replica forwards the write without the token that the primary requires",
        mitigation: "Send writes to namespaces with their own key to the primary",
        how: "INSERT on the replica with a token of the namespace's key; the same on the primary \
              is the control",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = with_table(context, &stack).await?;
            let key = TenantKey::give(&stack, &name).await?;
            let on = |service| tenant_on(&stack, service, &name, &key);
            must(&on("primary")?.execute("INSERT INTO t VALUES ('direct')").await?)?;
            must(&settled(&on("replica")?).await?)?;
            let insert = "INSERT INTO t VALUES ('forwarded')";
            let reply = within(FORWARDED, on("replica")?.execute(insert)).await.transpose()?;
            let rows = on("primary")?.execute(COUNT).await?;
            let said = reply.as_ref().map_or_else(|| "no answer".to_owned(), outcome);
            let described =
                reply.map_or_else(|| "no answer in time".to_owned(), |reply| reply.describe());
            let observation = if rows.scalar() == Some("2") {
                let finding = "a write through a replica works for a namespace with its own key";
                Observation::new(Verdict::AsDocumented, finding)
            } else {
                let finding = format!(
                    "a write through a replica to a namespace with its own key fails ({said})"
                );
                Observation::new(Verdict::Differs, finding)
            };
            Ok(observation
                .saw("INSERT on the replica with a token of the namespace's key", described)
                .replied("rows on the primary", &rows))
        }),
    },
];

/// After so many namespaces that win the race, none is taken to lose it.
const NAMESPACES: u32 = 8;
/// A replica has the data of a small namespace in milliseconds.
const SETTLED: Duration = Duration::from_secs(3);
/// A replica forwards a write in milliseconds.
const FORWARDED: Duration = Duration::from_secs(3);
/// A new configuration comes with the replication stream, so in milliseconds.
const IN_FORCE: Duration = Duration::from_millis(1500);

/// The namespace's own holder at a service.
fn tenant_on(
    stack: &EphemeralStack,
    service: &str,
    name: &NamespaceName,
    key: &TenantKey,
) -> Result<Hrana> {
    Ok(stack.anonymous(service, Some(name))?.token(&key.token(&json!({ "a": "rw" }))?))
}

/// The answer to a read once the replica has the data, or the last answer before: it
/// forwards the first reads to the primary, which may refuse them.
async fn settled(replica: &Hrana) -> Result<Reply> {
    let works = poll("the replica answers", SETTLED, async || {
        let reply = replica.execute(COUNT).await?;
        Ok(if reply.succeeded() { Attempt::Done(reply) } else { Attempt::Again(reply.describe()) })
    });
    match works.await {
        Ok(reply) => Ok(reply),
        Err(_) => Ok(replica.execute(COUNT).await?),
    }
}
