//! Namespaces on a replica.

use super::support::{ask, database, outcome, run, shows, words};
use crate::{Area, Engines, Observation, Probe, Verdict};
use demo_sqld::namespace::NamespaceName;
use demo_stack::plan::StackPlan;
use demo_stack::plan::blueprint::Variants;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "namespace-replicates",
        claim: "A namespace made on the primary does not reach a replica",
        source: "libsql issue 1804, still open",
        area: Area::Replication,
        why: "Anyone who believes the issue gives up either replicas or namespaces",
        mitigation: "Pass --enable-namespaces to the primary and to every replica",
        how: "Makes a namespace with a row by the Admin API and reads it on a replica",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "follow").await?;
            let replica = stack.hrana("replica", Some(&name))?;
            run(
                &stack.hrana("primary", Some(&name))?,
                &["CREATE TABLE t (x)", "INSERT INTO t VALUES (7)"],
            )
            .await?;
            let shown = shows(&replica, "SELECT x FROM t", "7").await;
            let reply = ask(&replica, "SELECT x FROM t").await?;
            Ok(Observation::either(
                shown,
                (
                    Verdict::Differs,
                    "a replica shows a namespace of its primary when it is asked for it",
                ),
                (Verdict::AsDocumented, "a replica does not show a namespace of its primary"),
            )
            .saw("SELECT on the replica", words(reply.as_ref())))
        }),
    },
    Probe {
        id: "replica-fetches-lazily",
        claim: "A replica holds everything that its primary has",
        source: "assumption; USER_GUIDE, Replication",
        area: Area::Replication,
        why: "A replica holds no copy of a namespace until somebody reads it there",
        mitigation: "Read every namespace on every replica after creating it, and after each start",
        how: "Makes two namespaces, asks a replica for one and looks into its folder for the other",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let asked = context.namespace(&stack, "asked").await?;
            let other = context.namespace(&stack, "other").await?;
            for name in [&asked, &other] {
                let statements = ["CREATE TABLE t (x)", "INSERT INTO t VALUES (7)"];
                run(&stack.hrana("primary", Some(name))?, &statements).await?;
            }
            // A replica that fetched namespaces unasked would have fetched this one before the
            // newer rows of a namespace that it was asked for.
            let asked_shown =
                shows(&stack.hrana("replica", Some(&asked))?, "SELECT x FROM t", "7").await;
            let before = database(stack.service("replica")?, other.as_str())?.exists();
            let other_shown =
                shows(&stack.hrana("replica", Some(&other))?, "SELECT x FROM t", "7").await;
            let after = database(stack.service("replica")?, other.as_str())?.exists();
            let seen = match (asked_shown && other_shown, before, after) {
                (true, false, true) => Observation::new(
                    Verdict::Differs,
                    "a replica has no file of a namespace before the first request for it",
                ),
                (true, true, _) => Observation::new(
                    Verdict::AsDocumented,
                    "a replica fetches a namespace that nobody asked it for",
                ),
                (shown, _, after) => Observation::new(
                    Verdict::Undocumented,
                    format!(
                        "when asked, the replica shows the rows: {shown}, and has a folder: {after}"
                    ),
                ),
            };
            Ok(seen
                .saw("the folder before the first request", format!("there: {before}"))
                .saw("the folder after it", format!("there: {after}")))
        }),
    },
    Probe {
        id: "replica-without-namespaces",
        claim: "A replica without --enable-namespaces refuses a namespace",
        source: "assumption; libsql issue 1804",
        area: Area::Replication,
        why: "A tenant gets the contents of the shared database, with status 200",
        mitigation: "Pass --enable-namespaces to every replica, \
                     and --disable-default-namespace to all servers",
        how: "Asks a replica without the flag for a namespace whose row differs from `default`'s",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context
                .own(Variants::NAMESPACED, |plan, _| {
                    drop_flag(plan, "primary", NO_DEFAULT);
                    drop_flag(plan, "replica", NO_DEFAULT);
                    drop_flag(plan, "replica", ENABLE);
                    Ok(())
                })
                .await?;
            let tenant = context.namespace(&stack, "tenant").await?;
            for (name, row) in [(None, "of-default"), (Some(&tenant), "of-the-tenant")] {
                let insert = format!("INSERT INTO t VALUES ('{row}')");
                run(&stack.hrana("primary", name)?, &["CREATE TABLE t (x)", &insert]).await?;
            }
            // Whatever it shows in the end, it shows for `default` too.
            let sql = "SELECT x FROM t";
            let caught_up = shows(&stack.hrana("replica", None)?, sql, "of-default").await;
            let reply = ask(&stack.hrana("replica", Some(&tenant))?, sql).await?;
            let shown = reply.as_ref().and_then(|reply| reply.scalar()).unwrap_or_default();
            let seen = match shown {
                "of-default" => Observation::new(
                    Verdict::Weakness,
                    "a replica without the flag answers every namespace with the rows of `default`",
                ),
                "of-the-tenant" => Observation::new(
                    Verdict::AsDocumented,
                    "a replica without the flag answers with the namespace's own rows",
                ),
                _ => Observation::new(
                    Verdict::AsDocumented,
                    format!("a read at a replica without the flag {}", outcome(reply.as_ref())),
                ),
            };
            context.discard(&stack).await?;
            Ok(seen
                .saw("the replica shows the rows of `default`", caught_up.to_string())
                .saw("SELECT of the tenant on the replica", words(reply.as_ref())))
        }),
    },
    Probe {
        id: "namespaces-on-replica-alone",
        claim: "A replica with --enable-namespaces refuses names that its primary does not have",
        source: "assumption",
        area: Area::Replication,
        why: "Every host name costs the replica a full copy of the database",
        mitigation: "Give primary and replicas the same namespace flags",
        how: "The primary runs without the flag; asks the replica for two names that nobody \
              created",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context
                .own(Variants::DEFAULT, |plan, _| {
                    for service in
                        plan.services.iter_mut().filter(|service| service.name == "replica")
                    {
                        service.command.push(ENABLE.to_owned());
                    }
                    Ok(())
                })
                .await?;
            run(
                &stack.hrana("primary", None)?,
                &["CREATE TABLE t (x)", "INSERT INTO t VALUES (7)"],
            )
            .await?;
            let mut copies = 0;
            let mut evidence = Vec::new();
            for text in ["invented", "made-up"] {
                let name: NamespaceName = text.parse()?;
                let replica = stack.hrana("replica", Some(&name))?;
                let shown = shows(&replica, "SELECT x FROM t", "7").await;
                let folder = database(stack.service("replica")?, text)?.join("data").exists();
                copies += usize::from(shown && folder);
                evidence.push((text, words(ask(&replica, "SELECT x FROM t").await?.as_ref())));
            }
            context.discard(&stack).await?;
            let seen = match copies {
                2 => Observation::new(
                    Verdict::Weakness,
                    "every name that is asked for gets a copy of the primary's database of its own",
                ),
                0 => Observation::new(Verdict::AsDocumented, "invented names get no copy"),
                _ => Observation::new(Verdict::Undocumented, "some invented names get a copy"),
            };
            Ok(evidence
                .iter()
                .fold(seen, |seen, (name, said)| seen.saw(format!("SELECT in {name}"), said)))
        }),
    },
    Probe {
        id: "unknown-names-leave-folders",
        claim: "A request for a namespace that does not exist leaves nothing on a replica",
        source: "assumption",
        area: Area::Replication,
        why: "Requests with made-up names fill the disk with folders",
        mitigation: "Let only known host names through to a replica",
        how: "Asks a replica for names that nobody created and looks for their folders",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const NAMES: [&str; 3] = ["ghost-a", "ghost-b", "ghost-c"];
            let stack = context.own(Variants::NAMESPACED, |_, _| Ok(())).await?;
            let mut left = 0;
            let mut outcomes = Vec::new();
            for text in NAMES {
                let name: NamespaceName = text.parse()?;
                let reply = ask(&stack.hrana("replica", Some(&name))?, "SELECT 1").await?;
                left += usize::from(database(stack.service("replica")?, text)?.exists());
                outcomes.push((outcome(reply.as_ref()), words(reply.as_ref())));
            }
            context.discard(&stack).await?;
            outcomes.dedup_by(|one, other| one.0 == other.0);
            let kinds: Vec<&str> = outcomes.iter().map(|(outcome, _)| outcome.as_str()).collect();
            let (verdict, folders) = match left {
                0 => (Verdict::AsDocumented, "no folder stays"),
                n if n == NAMES.len() => (Verdict::Weakness, "a folder for every name stays"),
                _ => (Verdict::Weakness, "a folder for some names stays"),
            };
            let finding =
                format!("a read of an unknown name {}, and {folders}", kinds.join(" or "));
            let seen = Observation::new(verdict, finding);
            Ok(outcomes
                .iter()
                .fold(seen, |seen, (_, said)| seen.saw("SELECT 1 on the replica", said)))
        }),
    },
];

const ENABLE: &str = "--enable-namespaces";
const NO_DEFAULT: &str = "--disable-default-namespace";

fn drop_flag(plan: &mut StackPlan, name: &str, flag: &str) {
    for service in plan.services.iter_mut().filter(|service| service.name == name) {
        service.command.retain(|word| word != flag);
    }
}
