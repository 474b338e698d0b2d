//! What a restart of the primary does to its log, and so to its replicas.

use std::time::Duration;

use super::filled;
use super::wire::Caller;
use crate::{Area, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld_client::replication::catch_up;
use demo_stack::engine::Stop;
use demo_stack::plan::blueprint::Variants;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "log-survives-sigterm",
        claim: "After a clean stop the primary continues with the same log",
        source: "issues 826 and 449",
        area: Area::Replication,
        why: "A new log makes every replica start from nothing",
        mitigation: "Always stop with SIGTERM and wait for the server to exit",
        how: "The log id in the answer to Hello, before SIGTERM and a restart and after",
        engines: Engines::Both,
        check: &Probe::check(async |context| log_id(context, Stop::Graceful, false).await),
    },
    Probe {
        id: "log-replaced-after-sigkill",
        claim: "After an unclean stop the primary continues with the same log",
        source: "issues 826 and 449",
        area: Area::Replication,
        why: "After a crash or an out-of-memory kill every replica copies everything again",
        mitigation: "Give the server time to stop; LIBSQL_IGNORE_DIRTY_LOG=1 keeps the log",
        how: "The log id in the answer to Hello, before SIGKILL and a restart and after",
        engines: Engines::Both,
        check: &Probe::check(async |context| log_id(context, Stop::Kill, false).await),
    },
    Probe {
        id: "log-kept-with-ignore-dirty-log",
        claim: "With LIBSQL_IGNORE_DIRTY_LOG=1 the primary keeps its log after an unclean stop",
        source: "only in the source",
        area: Area::Replication,
        why: "It spares the replicas a full copy after a crash",
        mitigation: "none needed; a log that is really damaged is then not noticed",
        how: "As log-replaced-after-sigkill, with the variable set",
        engines: Engines::Both,
        check: &Probe::check(async |context| log_id(context, Stop::Kill, true).await),
    },
    Probe {
        id: "replica-wipes-itself-after-sigkill",
        claim: "A replica continues where it left off when its primary comes back after a crash",
        source: "issues 826 and 449",
        area: Area::Replication,
        why: "While the replica copies everything again it costs bandwidth and has no data of its \
              own",
        mitigation: "Stop the primary with SIGTERM; LIBSQL_IGNORE_DIRTY_LOG=1 keeps the log",
        how: "SIGKILL and a restart of the primary and a write; then whichever comes first, the \
              replica's decision to remove its database in its log, or the new row without it",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.own(Variants::NAMESPACED, |_, _| Ok(())).await?;
            let name = filled(context, &stack).await?;
            let (primary, replica) =
                (stack.hrana("primary", Some(&name))?, stack.hrana("replica", Some(&name))?);
            catch_up(&primary, &replica).await?;
            stack.restart("primary", Stop::Kill).await?;
            super::must(&primary.execute("INSERT INTO t VALUES ('after')").await?)?;
            // The replica either logs that it starts over, or it has the new row without that.
            // While it starts over it may answer 404, so its answers decide nothing.
            let line = poll("the replica has followed its primary", RESYNC_DEADLINE, async || {
                let reply = replica.execute("SELECT count(*) FROM t WHERE x = 'after'").await?;
                let log = stack.engine.logs("replica", None).await?;
                let line = log.lines().find(|line| line.contains(WIPES)).map(str::to_owned);
                Ok(match (line, reply.scalar()) {
                    (None, Some("1")) => Attempt::Done(None),
                    (None, _) => Attempt::Again(reply.describe()),
                    (line, _) => Attempt::Done(line),
                })
            })
            .await?;
            context.discard(&stack).await?;
            Ok(Observation::either(
                line.is_some(),
                (
                    Verdict::Differs,
                    "after SIGKILL of the primary its replica removes its database and copies \
                     everything again",
                ),
                (
                    Verdict::AsDocumented,
                    "after SIGKILL of the primary its replica goes on where it was",
                ),
            )
            .saw("the replica's log", line.as_deref().unwrap_or("nothing of that kind")))
        }),
    },
];

/// What a replica logs when it discards its copy and starts over.
const WIPES: &str = "trying to replicate incompatible logs";
const RESYNC_DEADLINE: Duration = Duration::from_secs(5);

async fn log_id(context: &ProbeContext<'_>, how: Stop, ignore: bool) -> Result<Observation> {
    let stack = context
        .primary(|plan| {
            for service in plan.services.iter_mut().filter(|_| ignore) {
                service.environment.insert("LIBSQL_IGNORE_DIRTY_LOG".to_owned(), "1".to_owned());
            }
            Ok(())
        })
        .await?;
    let name = filled(context, &stack).await?;
    let caller = Caller::at_grpc_port(context, &stack)?.namespace(&name);
    let before = caller.hello().await?.log_id()?;
    stack.restart("primary", how).await?;
    let after = caller.hello().await?.log_id()?;
    let row = super::is_there(&stack, &name, super::ROW).await?;
    context.discard(&stack).await?;
    let same = before == after;
    let signal = match (how, ignore) {
        (Stop::Graceful, _) => "SIGTERM",
        (Stop::Kill, false) => "SIGKILL",
        (Stop::Kill, true) => "SIGKILL with LIBSQL_IGNORE_DIRTY_LOG=1",
    };
    let verdict = match (row, same) {
        (false, _) => Verdict::Weakness,
        (true, false) => Verdict::Differs,
        (true, true) if ignore => Verdict::Undocumented,
        (true, true) => Verdict::AsDocumented,
    };
    let finding = format!(
        "after {signal} the primary has {} log and {} its row",
        if same { "the same" } else { "a new" },
        if row { "has" } else { "has lost" }
    );
    Ok(Observation::new(verdict, finding)
        .saw("log id before", &before)
        .saw(format!("log id after {signal}"), &after))
}
