//! A replica while its primary is away, and after that.

use std::rc::Rc;

use crate::entries::following::support::{
    PATIENCE, ask, eventually, health, outcome, replicated, run, shows, words,
};
use crate::{Area, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_stack::engine::Stop;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::blueprint::Variants;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "reads-without-primary",
        claim: "A replica keeps answering reads while its primary is down",
        source: "assumption; USER_GUIDE, Overview",
        area: Area::Replication,
        why: "This is why many people run a replica",
        mitigation: "Read every namespace on every replica once, before the primary goes down",
        how: "Kills the primary, then reads from a replica what it has already shown",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = pair(context).await?;
            stack.engine.stop("primary", Stop::Kill).await?;
            let read = ask(&stack.hrana("replica", None)?, READ).await?;
            let health = health(&stack, "replica").await?;
            context.discard(&stack).await?;
            let served = read.as_ref().is_some_and(|reply| reply.scalar() == Some("1"));
            let verdict = if served { Verdict::AsDocumented } else { Verdict::Weakness };
            let read_outcome = outcome(read.as_ref());
            let finding = format!(
                "without the primary a read at the replica {read_outcome}, /health says {health}"
            );
            Ok(Observation::new(verdict, finding)
                .saw("SELECT on the replica", words(read.as_ref())))
        }),
    },
    Probe {
        id: "writes-without-primary",
        claim: "A write at a replica fails quickly while the primary is down",
        source: "assumption; USER_GUIDE: replicas delegate the write to a primary",
        area: Area::Replication,
        why: "Every waiting write holds a connection of the client and one of the server",
        mitigation: "Give every client a timeout of its own",
        how: "Kills the primary and inserts through a replica; 2 s without an answer is a hang",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = pair(context).await?;
            stack.engine.stop("primary", Stop::Kill).await?;
            let write = ask(&stack.hrana("replica", None)?, "INSERT INTO t VALUES (2)").await?;
            let health = health(&stack, "replica").await?;
            context.discard(&stack).await?;
            let verdict =
                if write.is_none() { Verdict::Undocumented } else { Verdict::AsDocumented };
            let write_outcome = outcome(write.as_ref());
            let finding = format!(
                "without the primary a write at the replica {write_outcome}, /health says {health}"
            );
            Ok(Observation::new(verdict, finding)
                .saw("INSERT on the replica", words(write.as_ref())))
        }),
    },
    Probe {
        id: "abandoned-write",
        claim: "A write that the client has given up is not applied when the primary comes back",
        source: "assumption",
        area: Area::Replication,
        why: "A client that retries after a timeout may write twice",
        mitigation: "Make writes idempotent, for example with a client-generated key and INSERT OR \
                     IGNORE",
        how: "Kills the primary, gives up a write at a replica after 2 s, starts the primary again \
              and looks for the row until a later write has arrived",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = pair(context).await?;
            let (primary, replica) = (stack.hrana("primary", None)?, stack.hrana("replica", None)?);
            stack.engine.stop("primary", Stop::Kill).await?;
            let write = ask(&replica, "INSERT INTO t VALUES (2)").await?;
            stack.resume("primary").await?;
            // When a later write has arrived the same way, waiting is over.
            let later = eventually(PATIENCE, async || {
                Ok(replica.execute("INSERT INTO t VALUES (3)").await?.succeeded())
            });
            let later = later.await;
            let count = primary.execute("SELECT count(*) FROM t WHERE x = 2").await?;
            context.discard(&stack).await?;
            let seen = match (write.as_ref(), later, count.scalar()) {
                (Some(reply), ..) => Observation::new(
                    Verdict::AsDocumented,
                    format!("there is nothing to give up: the write {}", outcome(Some(reply))),
                ),
                (None, true, Some("0")) => Observation::new(
                    Verdict::AsDocumented,
                    "a write that was given up is not made when the primary is back",
                ),
                (None, true, Some(_)) => Observation::new(
                    Verdict::Weakness,
                    "a write that was given up is made when the primary is back",
                ),
                (None, _, _) => Observation::new(
                    Verdict::Weakness,
                    "no later write at the replica succeeds either",
                ),
            };
            Ok(seen
                .saw("INSERT on the replica, primary away", words(write.as_ref()))
                .saw("count of that row on the primary", words(Some(&count))))
        }),
    },
    Probe {
        id: "new-namespace-without-primary",
        claim: "A replica without its primary answers for a namespace that it has not loaded",
        source: "assumption",
        area: Area::Replication,
        why: "A rarely used namespace becomes unavailable together with the primary",
        mitigation: "Read every namespace on every replica beforehand, and set timeouts",
        how: "Kills the primary, then reads a namespace that the replica has never been asked for",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.own(Variants::NAMESPACED, |_, _| Ok(())).await?;
            let name = context.namespace(&stack, "unasked").await?;
            run(&stack.hrana("primary", Some(&name))?, &["CREATE TABLE t (x)"]).await?;
            stack.engine.stop("primary", Stop::Kill).await?;
            let read = ask(&stack.hrana("replica", Some(&name))?, "SELECT x FROM t").await?;
            context.discard(&stack).await?;
            let verdict =
                if read.is_none() { Verdict::Undocumented } else { Verdict::AsDocumented };
            let read_outcome = outcome(read.as_ref());
            let finding =
                format!("without the primary a read of a namespace not yet loaded {read_outcome}");
            Ok(Observation::new(verdict, finding)
                .saw("SELECT on the replica", words(read.as_ref())))
        }),
    },
    Probe {
        id: "restarted-replica-without-primary",
        claim: "A replica that restarts serves the data that it has on its disk",
        source: "assumption",
        area: Area::Replication,
        why: "After a power cut on both machines the replica alone is of no use",
        mitigation: "Bring the primary back; in an emergency copy dbs/NAME/data and open it",
        how: "Kills the primary, restarts a replica that has the rows, reads",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = pair(context).await?;
            stack.engine.stop("primary", Stop::Kill).await?;
            stack.restart("replica", Stop::Graceful).await?;
            let health = health(&stack, "replica").await?;
            let read = ask(&stack.hrana("replica", None)?, READ).await?;
            context.discard(&stack).await?;
            let served = read.as_ref().is_some_and(|reply| reply.scalar() == Some("1"));
            let verdict = if served { Verdict::AsDocumented } else { Verdict::Weakness };
            let read_outcome = outcome(read.as_ref());
            let finding = format!(
                "without the primary a read at a restarted replica {read_outcome}, /health says \
                 {health}"
            );
            Ok(Observation::new(verdict, finding)
                .saw("SELECT on the replica", words(read.as_ref())))
        }),
    },
    Probe {
        id: "replica-waits-for-primary",
        claim: "A replica that is started before its primary joins it later",
        source: "assumption; compose files order the two with depends_on",
        area: Area::Replication,
        why: "If the start order matters, machines must boot in that order",
        mitigation: "Any order works; only requests that arrive too early have to wait",
        how: "Starts a replica while the primary is stopped, reads, then starts the primary",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = pair(context).await?;
            stack.engine.stop("replica", Stop::Kill).await?;
            stack.engine.stop("primary", Stop::Graceful).await?;
            stack.resume("replica").await?;
            let health = health(&stack, "replica").await?;
            let replica = stack.hrana("replica", None)?;
            // The early request is on its way while the primary starts.
            let (early, resumed) = futures::join!(replica.execute(READ), async {
                let waiting = ask(&replica, READ).await?;
                stack.resume("primary").await?;
                Ok::<_, anyhow::Error>(waiting)
            });
            let waiting = resumed?;
            let early = early.ok();
            let joined = shows(&replica, READ, "1").await;
            context.discard(&stack).await?;
            let finding = format!(
                "a replica that is up first says {health} at /health; a read {} until the primary \
                 is there, then {}, and later reads {}",
                outcome(waiting.as_ref()),
                outcome(early.as_ref()),
                if joined { "succeed" } else { "do not succeed" }
            );
            let verdict = if joined { Verdict::Undocumented } else { Verdict::Weakness };
            Ok(Observation::new(verdict, finding)
                .saw("SELECT before the primary is there", words(waiting.as_ref()))
                .saw("the one that waited", words(early.as_ref())))
        }),
    },
    Probe {
        id: "follows-after-crash",
        claim: "A replica follows its primary again after the primary's crash",
        source: "assumption",
        area: Area::Replication,
        why: "Nobody wants to restart every replica after a crash of the primary",
        mitigation: "Nothing to do; expect the replica to fetch everything again",
        how: "Kills the primary, starts it again, writes a row and polls the replica",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = pair(context).await?;
            stack.restart("primary", Stop::Kill).await?;
            run(&stack.hrana("primary", None)?, &["INSERT INTO t VALUES (2)"]).await?;
            let replica = stack.hrana("replica", None)?;
            let follows = shows(&replica, READ, "2").await;
            let told = stack.engine.logs("replica", None).await?;
            let told = told.lines().rfind(|line| line.contains("WARN") || line.contains("ERROR"));
            let told = told.unwrap_or("no WARN or ERROR").to_owned();
            context.discard(&stack).await?;
            Ok(Observation::either(
                follows,
                (
                    Verdict::Undocumented,
                    "after the primary's crash the replica follows again by itself",
                ),
                (Verdict::Weakness, "after the primary's crash the replica does not follow again"),
            )
            .saw("the replica's log", told))
        }),
    },
];

const READ: &str = "SELECT max(x) FROM t";

/// Primary and replica without namespaces; both show 1 as the largest `x` of `t`.
async fn pair(context: &ProbeContext<'_>) -> Result<Rc<EphemeralStack>> {
    let stack = context.own(Variants::DEFAULT, |_, _| Ok(())).await?;
    replicated(&stack.hrana("primary", None)?, &stack.hrana("replica", None)?, "1").await?;
    Ok(stack)
}
