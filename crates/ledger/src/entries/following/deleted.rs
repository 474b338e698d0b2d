//! What a replica makes of a namespace that its primary deletes.

use std::rc::Rc;
use std::time::Duration;

use super::support::{ask, database, eventually, outcome, replicated, words};
use crate::{Area, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::hrana::Reply;
use demo_stack::engine::Stop;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::blueprint::Variants;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "delete-stays-on-replica",
        claim: "A namespace deleted on the primary is deleted on the replicas too",
        source: "assumption; sqld issue 591",
        area: Area::Replication,
        why: "Data that was deleted, for example for privacy, can still be read",
        mitigation: "After a delete stop every replica, remove its dbs/NAME, start it",
        how: "Deletes a namespace that a replica has, then reads and writes through the replica",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let (stack, name) = with_deleted(context).await?;
            let replica = stack.hrana("replica", Some(&name))?;
            let refused =
                eventually(NEWS, async || Ok(!replica.execute(READ).await?.succeeded())).await;
            let read = ask(&replica, READ).await?;
            let write = ask(&replica, "INSERT INTO t VALUES (8)").await?;
            let folder = database(stack.service("replica")?, name.as_str())?.exists();
            context.discard(&stack).await?;
            let verdict = if refused { Verdict::AsDocumented } else { Verdict::Weakness };
            let files = if folder { "stay" } else { "go" };
            let finding = format!(
                "after the delete a read at the replica {}, a write {}, and its files {files}",
                outcome(read.as_ref()),
                outcome(write.as_ref())
            );
            Ok(Observation::new(verdict, finding)
                .saw("SELECT on the replica", words(read.as_ref()))
                .saw("INSERT on the replica", words(write.as_ref())))
        }),
    },
    Probe {
        id: "replica-spins-after-delete",
        claim: "A replica is idle after a namespace that it had was deleted",
        source: "assumption; libsql pull request 1770 calls its remedy temporary",
        area: Area::Replication,
        why: "The log fills the disk at about a megabyte a second and one core stays busy",
        mitigation: "Restart every replica after a delete, and rotate its log",
        how: "Deletes a namespace that a replica has and counts the lines of its log for 2 s",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            // An idle replica writes nothing; one that tries again once a second a few lines.
            const MANY: usize = 200;
            let (stack, _) = with_deleted(context).await?;
            let lines = async || Ok::<_, anyhow::Error>(stack.engine.logs("replica", None).await?);
            let before = lines().await?.lines().count();
            let many =
                eventually(NEWS, async || Ok(lines().await?.lines().count() > before + MANY)).await;
            stack.engine.stop("replica", Stop::Kill).await?;
            let log = lines().await?;
            let last =
                log.lines().rfind(|line| line.contains("ERROR")).unwrap_or("no ERROR").to_owned();
            context.discard(&stack).await?;
            Ok(Observation::either(
                many,
                (
                    Verdict::Weakness,
                    "the replica fills its log without a pause until it is restarted",
                ),
                (Verdict::AsDocumented, "the replica's log stays quiet after the delete"),
            )
            .saw("the log of the replica", last))
        }),
    },
    Probe {
        id: "restart-ends-deleted-namespace",
        claim: "A replica that is restarted no longer shows a deleted namespace",
        source: "assumption",
        area: Area::Replication,
        why: "A restart is the only way to make a replica drop the namespace, and its files should \
              go too",
        mitigation: "Remove dbs/NAME by hand while the replica is stopped",
        how: "Deletes a namespace that a replica has, restarts the replica and reads",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let (stack, name) = with_deleted(context).await?;
            stack.restart("replica", Stop::Kill).await?;
            let read = ask(&stack.hrana("replica", Some(&name))?, READ).await?;
            let folder = database(stack.service("replica")?, name.as_str())?.join("data").exists();
            context.discard(&stack).await?;
            let shown = read.as_ref().is_some_and(Reply::succeeded);
            let verdict = match (shown, folder) {
                (true, _) => Verdict::Weakness,
                (false, true) => Verdict::Undocumented,
                (false, false) => Verdict::AsDocumented,
            };
            let files = if folder { "stay" } else { "go" };
            let read_outcome = outcome(read.as_ref());
            let finding = format!("after its restart a read {read_outcome}, and the files {files}");
            Ok(Observation::new(verdict, finding)
                .saw("SELECT on the replica", words(read.as_ref())))
        }),
    },
];

const READ: &str = "SELECT x FROM t";
/// How long the replica has to hear of the delete.
const NEWS: Duration = Duration::from_secs(2);

/// A stack whose primary has deleted a namespace that the replica has.
async fn with_deleted(context: &ProbeContext<'_>) -> Result<(Rc<EphemeralStack>, NamespaceName)> {
    let stack = context.own(Variants::NAMESPACED, |_, _| Ok(())).await?;
    let name = context.namespace(&stack, "gone").await?;
    let (primary, replica) =
        (stack.hrana("primary", Some(&name))?, stack.hrana("replica", Some(&name))?);
    replicated(&primary, &replica, "'old'").await?;
    stack.admin()?.delete(&name).await?;
    Ok((stack, name))
}
