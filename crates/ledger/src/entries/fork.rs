//! Fork, checkpoint and deletion.

use serde_json::json;

use super::recovery::fixtures::{
    ask, create, default_name, folder_of, given, outcome, post, primary_with_default,
};
use crate::{Area, Engines, Observation, Probe, Verdict};
use demo_sqld::namespace::NamespaceName;
use demo_stack::engine::Stop;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "fork-onto-unloaded-namespace",
        claim: "A fork onto a namespace that exists is refused and leaves it alone",
        source: "the server's own error NamespaceAlreadyExist",
        area: Area::Lifecycle,
        why: "One mistyped name in a fork, right after a restart, destroys another tenant's data",
        mitigation: "Query the target first and refuse when it exists, as `demo namespace fork` \
                     does",
        how: "Restarts the primary, forks one namespace onto another that has a row and that \
              nobody has used since, and looks for the row, also after a new `create` and a \
              restart",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let [source, victim]: [NamespaceName; 2] = ["source".parse()?, "victim".parse()?];
            for name in [&source, &victim] {
                stack.admin()?.create(name).await?;
                given(&stack, name, ROW).await?;
            }
            stack.restart("primary", Stop::Graceful).await?;
            let forked = post(&stack, "source/fork/victim", &json!({})).await?;
            let read = ask(&stack, &victim, READ).await?;
            let there = folder_of(&stack, "victim")?.exists();
            // The name is still registered, so `create` may refuse; what counts is the row.
            let created = create(&stack, &victim, &json!({})).await?;
            stack.restart("primary", Stop::Graceful).await?;
            let last = ask(&stack, &victim, READ).await?;
            context.discard(&stack).await?;
            let (verdict, finding) = match (forked.status, last.scalar() == Some("kept")) {
                (500, false) if read.status == 404 && !there => (
                    Verdict::Weakness,
                    "the fork fails with 500, the target's folder is deleted and its rows are lost"
                        .into(),
                ),
                (400, true) if read.succeeded() => (
                    Verdict::AsDocumented,
                    "the fork is refused and the target keeps its rows".into(),
                ),
                (status, kept) => (
                    if kept { Verdict::Undocumented } else { Verdict::Weakness },
                    format!(
                        "the fork is answered {status}, the next read {}; the rows are {}",
                        outcome(&read),
                        if kept { "there after a restart" } else { "lost" }
                    ),
                ),
            };
            Ok(Observation::new(verdict, finding)
                .answered("POST /v1/namespaces/source/fork/victim after a restart", &forked)
                .replied(format!("{READ} on victim"), &read)
                .saw("dbs/victim", if there { "is there" } else { "has gone" })
                .answered("POST /v1/namespaces/victim/create", &created)
                .replied(format!("{READ} on victim after another restart"), &last))
        }),
    },
    Probe {
        id: "fork-onto-loaded-namespace",
        claim: "A fork onto a namespace that exists and is in use is refused and leaves it alone",
        source: "the server's own error NamespaceAlreadyExist",
        area: Area::Lifecycle,
        why: "A mistyped target is safe only if it was queried since the last start",
        mitigation: "Query the target before a fork",
        how: "Forks one namespace onto another that has just been queried, and reads its row",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let source = context.namespace(&stack, "source").await?;
            let target = context.namespace(&stack, "target").await?;
            given(&stack, &target, ROW).await?;
            let forked = post(&stack, &format!("{source}/fork/{target}"), &json!({})).await?;
            let read = ask(&stack, &target, READ).await?;
            let safe = forked.status == 400 && read.scalar() == Some("kept");
            let observation = if safe {
                Observation::new(
                    Verdict::AsDocumented,
                    "the fork is refused and the target keeps its rows",
                )
            } else {
                let kept = if read.scalar() == Some("kept") { "kept" } else { "lost" };
                let finding =
                    format!("the fork is answered {}; the rows are {kept}", forked.status);
                Observation::new(Verdict::Weakness, finding)
            };
            Ok(observation
                .answered("POST /v1/namespaces/SOURCE/fork/TARGET, TARGET in use", &forked)
                .replied(format!("{READ} on TARGET"), &read))
        }),
    },
    Probe {
        id: "fork-onto-default-after-boot",
        claim: "A fork onto `default` is refused and leaves it alone",
        source: "the server's own error NamespaceAlreadyExist",
        area: Area::Lifecycle,
        why: "The namespace in which a server with default settings keeps everything can be wiped",
        mitigation: "Start with --disable-default-namespace; never fork onto `default`",
        how: "Restarts the primary, forks a namespace onto `default`, and reads the row that \
              `default` had",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = primary_with_default(context).await?;
            let (source, default): (NamespaceName, _) = ("source".parse()?, default_name()?);
            stack.admin()?.create(&source).await?;
            given(&stack, &default, ROW).await?;
            stack.restart("primary", Stop::Graceful).await?;
            let forked = post(&stack, "source/fork/default", &json!({})).await?;
            let read = ask(&stack, &default, READ).await?;
            stack.restart("primary", Stop::Graceful).await?;
            let last = ask(&stack, &default, READ).await?;
            context.discard(&stack).await?;
            let kept = last.scalar() == Some("kept");
            let (verdict, finding) = if kept && forked.status == 400 {
                (Verdict::AsDocumented, "the fork is refused and `default` keeps its rows".into())
            } else {
                let fate = if kept { "kept" } else { "lost" };
                let verdict = if kept { Verdict::Undocumented } else { Verdict::Weakness };
                let status = forked.status;
                (
                    verdict,
                    format!("the fork is answered {status}; the rows of `default` are {fate}"),
                )
            };
            Ok(Observation::new(verdict, finding)
                .answered("POST /v1/namespaces/source/fork/default after a restart", &forked)
                .replied(format!("{READ} on default"), &read)
                .replied(format!("{READ} on default after another restart"), &last))
        }),
    },
    Probe {
        id: "failed-fork-blocks-the-name",
        claim: "A failed fork leaves nothing behind, and its target can be created afterwards",
        source: "assumption; docs/ADMIN_API is silent",
        area: Area::Lifecycle,
        why: "A retry answers with success but creates a namespace that nobody can reach",
        mitigation: "Fork without a timestamp unless bottomless is on; restart after a failure",
        how: "Forks to a point in time without bottomless, creates the target, queries it, and \
              queries it again after a restart",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let [source, target]: [NamespaceName; 2] = ["source".parse()?, "target".parse()?];
            stack.admin()?.create(&source).await?;
            given(&stack, &source, ROW).await?;
            let past = json!({ "timestamp": "2024-01-01T00:00:00" });
            let forked = post(&stack, "source/fork/target", &past).await?;
            let created = create(&stack, &target, &json!({})).await?;
            let read = ask(&stack, &target, "SELECT 1").await?;
            stack.restart("primary", Stop::Graceful).await?;
            let last = ask(&stack, &target, "SELECT 1").await?;
            context.discard(&stack).await?;
            let verdict = match (created.status, read.succeeded()) {
                (200, false) => Verdict::Weakness,
                _ => Verdict::Undocumented,
            };
            let finding = format!(
                "the fork is answered {}, the target's creation {}, a query {} and after a restart \
                 {}",
                forked.status,
                created.status,
                outcome(&read),
                outcome(&last)
            );
            Ok(Observation::new(verdict, finding)
                .answered("POST /v1/namespaces/source/fork/target with a timestamp", &forked)
                .answered("POST /v1/namespaces/target/create", &created)
                .replied("SELECT 1 on target", &read)
                .replied("SELECT 1 on target after a restart", &last))
        }),
    },
    Probe {
        id: "checkpoint-unloaded-namespace",
        claim: "A checkpoint of an idle namespace is harmless",
        source: "assumption; the endpoint is in no document",
        area: Area::Lifecycle,
        why: "A nightly checkpoint after a restart makes a whole database unavailable",
        mitigation: "Query the namespace before the checkpoint",
        how: "Restarts the primary, POSTs a checkpoint of a namespace that nobody has used since, \
              queries it, restarts and queries it again",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let name: NamespaceName = "idle".parse()?;
            stack.admin()?.create(&name).await?;
            given(&stack, &name, ROW).await?;
            stack.restart("primary", Stop::Graceful).await?;
            let checkpoint = post(&stack, "idle/checkpoint", &json!({})).await?;
            let read = ask(&stack, &name, READ).await?;
            stack.restart("primary", Stop::Graceful).await?;
            let last = ask(&stack, &name, READ).await?;
            context.discard(&stack).await?;
            let verdict = if read.succeeded() { Verdict::AsDocumented } else { Verdict::Weakness };
            let kept = if last.scalar() == Some("kept") { "there" } else { "lost" };
            let finding = format!(
                "the checkpoint is answered {}, the next query {}; after a restart the rows are \
                 {kept}",
                checkpoint.status,
                outcome(&read)
            );
            Ok(Observation::new(verdict, finding)
                .answered("POST /v1/namespaces/idle/checkpoint after a restart", &checkpoint)
                .replied(READ, &read)
                .replied(format!("{READ} after another restart"), &last))
        }),
    },
    Probe {
        id: "checkpoint-unknown-namespace",
        claim: "A checkpoint of a namespace that does not exist is answered 404",
        source: "assumption; the endpoint is in no document",
        area: Area::Lifecycle,
        why: "A typo looks like success, and the name cannot be used until the next restart",
        mitigation: "Query the namespace before the checkpoint",
        how: "POSTs a checkpoint of a name that nobody created, creates it, queries it, restarts \
              and queries it again",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let name: NamespaceName = "ghost".parse()?;
            let checkpoint = post(&stack, "ghost/checkpoint", &json!({})).await?;
            let created = create(&stack, &name, &json!({})).await?;
            let read = ask(&stack, &name, "SELECT 1").await?;
            stack.restart("primary", Stop::Graceful).await?;
            let last = ask(&stack, &name, "SELECT 1").await?;
            context.discard(&stack).await?;
            let verdict = if checkpoint.status == 404 {
                Verdict::AsDocumented
            } else {
                Verdict::Undocumented
            };
            let finding = format!(
                "the checkpoint is answered {}, the creation {}, a query {} and after a restart {}",
                checkpoint.status,
                created.status,
                outcome(&read),
                outcome(&last)
            );
            Ok(Observation::new(verdict, finding)
                .answered("POST /v1/namespaces/ghost/checkpoint", &checkpoint)
                .answered("POST /v1/namespaces/ghost/create", &created)
                .replied("SELECT 1 on ghost", &read)
                .replied("SELECT 1 on ghost after a restart", &last))
        }),
    },
    Probe {
        id: "deleted-default-comes-back-empty",
        claim: "A deleted `default` namespace is gone, like any other",
        source: "docs/ADMIN_API, DELETE /v1/namespaces/:namespace",
        area: Area::Lifecycle,
        why: "Applications keep running after the deletion, on a database that has silently become \
              empty",
        mitigation: "Start with --disable-default-namespace; never delete `default`",
        how: "Writes a row to `default`, deletes it over the Admin API, and queries it",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = primary_with_default(context).await?;
            let default = default_name()?;
            given(&stack, &default, ROW).await?;
            let admin = stack.admin()?;
            let deleted =
                admin.raw(reqwest::Method::DELETE, "/v1/namespaces/default", None).await?;
            let alive = ask(&stack, &default, "SELECT 1").await?;
            let read = ask(&stack, &default, READ).await?;
            context.discard(&stack).await?;
            let finding = match (alive.succeeded(), read.scalar() == Some("kept")) {
                (true, false) => {
                    "the deletion is answered with success and `default` is back, empty"
                }
                (true, true) => "`default` keeps its rows in spite of the deletion",
                (false, _) => "`default` is gone after the deletion",
            };
            let verdict = if alive.succeeded() { Verdict::Differs } else { Verdict::AsDocumented };
            Ok(Observation::new(
                verdict,
                if deleted.status == 200 {
                    finding.to_owned()
                } else {
                    format!("the deletion of `default` is answered {}", deleted.status)
                },
            )
            .answered("DELETE /v1/namespaces/default", &deleted)
            .replied("SELECT 1 on default", &alive)
            .replied(format!("{READ} on default"), &read))
        }),
    },
];

const ROW: &[&str] = &["CREATE TABLE t (x)", "INSERT INTO t VALUES ('kept')"];
const READ: &str = "SELECT x FROM t";
