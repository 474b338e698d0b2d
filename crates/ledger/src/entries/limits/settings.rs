//! Probes of what is set for the server or for one namespace.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::recovery::fixtures::{
    Stream, ask, create, folder_of, given, outcome, post, primary_with,
};
use crate::{Area, Engines, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::http::Answer;
use demo_stack::engine::ephemeral::EphemeralStack;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "log-grows-with-rewrites",
        claim: "The files of a namespace are about as large as its data",
        source: "sqld --help, --max-log-size",
        area: Area::Operations,
        why: "Each namespace may take 200 MB for its log alone, however small it is",
        mitigation: "Set --max-log-size, and plan disk for as many logs as there are namespaces",
        how: "Rewrites one value of 1 MB 20 times and looks at the size of the namespace's wallog",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let name: NamespaceName = "busy".parse()?;
            rewrite(&stack, &name).await?;
            let folder = folder_of(&stack, "busy")?;
            let log = std::fs::metadata(folder.join("wallog"))?.len();
            let data = std::fs::metadata(folder.join("data"))?.len();
            context.discard(&stack).await?;
            Ok(Observation::either(
                log > 15 * MEGABYTE,
                (Verdict::Undocumented, "the log keeps every rewrite of one value of 1 MB"),
                (Verdict::AsDocumented, "the log stays about as small as the data"),
            )
            .saw("wallog after 20 rewrites of 1 MB", format!("{log} bytes"))
            .saw("data", format!("{data} bytes")))
        }),
    },
    Probe {
        id: "max-log-size-bounds-the-log",
        claim: "--max-log-size limits the size of a namespace's log",
        source: "sqld --help, --max-log-size",
        area: Area::Operations,
        why: "It is the only limit on the disk space of a small busy database",
        mitigation: "none known",
        how: "As log-grows-with-rewrites with --max-log-size 2, snapshots included, and waits up \
              to 4 s for the compaction",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = primary_with(context, &["--max-log-size", "2"]).await?;
            let name: NamespaceName = "busy".parse()?;
            rewrite(&stack, &name).await?;
            let folder = folder_of(&stack, "busy")?;
            let mut whole = 0;
            let shrunk = poll("the log is compacted", Duration::from_secs(4), async || {
                whole = size(&folder)?;
                Ok(if whole < 15 * MEGABYTE {
                    Attempt::Done(())
                } else {
                    Attempt::Again(format!("{whole} bytes"))
                })
            });
            let shrunk = shrunk.await.is_ok();
            let log = std::fs::metadata(folder.join("wallog"))?.len();
            context.discard(&stack).await?;
            Ok(Observation::either(
                shrunk,
                (
                    Verdict::AsDocumented,
                    "the log is compacted, and a namespace keeps a part of its rewrites",
                ),
                (Verdict::Differs, "the files of the namespace keep every rewrite all the same"),
            )
            .saw("wallog after 20 rewrites of 1 MB", format!("{log} bytes"))
            .saw("all files of the namespace", format!("{whole} bytes")))
        }),
    },
    Probe {
        id: "transaction-timeout-steals-lock",
        claim: "A write transaction that stays open loses its lock after txn_timeout_s",
        source: "assumption; the Admin API's configuration",
        area: Area::Lifecycle,
        why: "A slow client's transaction is rolled back when another wants to write",
        mitigation: "Keep write transactions short, and retry them on TRANSACTION_TIMEOUT",
        how: "With txn_timeout_s 1, opens a write transaction, writes from another connection and \
              commits the first",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = with_timeout(context, &stack, 1).await?;
            let contest = contest(&stack, &name).await?;
            let when = match contest.waited.as_secs_f64() {
                ..0.8 => "at once",
                0.8..2.5 => "after about a second",
                _ => "much later",
            };
            Ok(contest.observed(when))
        }),
    },
    Probe {
        id: "transaction-timeout-default",
        claim: "Without txn_timeout_s a write transaction may stay open forever",
        source: "assumption; the Admin API's configuration",
        area: Area::Lifecycle,
        why: "Every other write waits that long behind one client that has gone away",
        mitigation: "Set txn_timeout_s to what the longest transaction needs",
        how: "Opens a write transaction in a namespace without the setting and measures how long \
              another writer waits",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "patient").await?;
            given(&stack, &name, &["CREATE TABLE t (x)"]).await?;
            let contest = contest(&stack, &name).await?;
            let when = match contest.waited.as_secs_f64() {
                ..4.0 => "sooner than after 4 s",
                4.0..7.5 => "after about 5 s",
                _ => "much later",
            };
            Ok(contest.observed(when))
        }),
    },
    Probe {
        id: "transaction-timeout-change-is-live",
        claim: "A new txn_timeout_s applies as soon as the Admin API has accepted it",
        source: "assumption; the Admin API's configuration",
        area: Area::Operations,
        why: "The configuration shows a value that is not in effect",
        mitigation: "Set txn_timeout_s when the namespace is made, or restart after a change",
        how: "Makes a namespace with txn_timeout_s 1, uses it, sets 3, opens a write transaction \
              and measures how long another writer waits",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = with_timeout(context, &stack, 1).await?;
            let changed =
                json!({ "block_reads": false, "block_writes": false, "txn_timeout_s": 3 });
            let changed = post(&stack, &format!("{name}/config"), &changed).await?;
            let config = stack.admin()?.config(&name).await?;
            let contest = contest(&stack, &name).await?;
            let seconds = contest.waited.as_secs_f64();
            let (verdict, held) = match seconds {
                0.8..2.5 => (Verdict::Undocumented, "the old value"),
                2.5..4.5 => (Verdict::AsDocumented, "the new value"),
                _ => (Verdict::Undocumented, "neither the old nor the new value"),
            };
            let finding = format!("the change is answered {}, and {held} holds", changed.status);
            Ok(Observation::new(verdict, finding)
                .answered("POST config with txn_timeout_s 3 (it was 1)", &changed)
                .saw("GET config", format!("{:?}", config.get("txn_timeout_s")))
                .saw(
                    "INSERT of the second writer",
                    format!("{} after {seconds:.2} s", contest.second),
                ))
        }),
    },
    Probe {
        id: "durability-modes",
        claim: "durability_mode sets PRAGMA synchronous",
        source: "assumption; the Admin API's configuration",
        area: Area::Lifecycle,
        why: "Anyone who wants commits to survive a power failure must know which mode to set",
        mitigation: "Use extra or strong; `full`, SQLite's own word, is refused",
        how: "Makes a namespace with each mode and reads PRAGMA synchronous",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let mut seen = Vec::new();
            for mode in ["extra", "strong", "relaxed", "off", "full"] {
                let value =
                    synchronous(context, &stack, &json!({ "durability_mode": mode })).await?;
                seen.push(format!("{mode} {value}"));
            }
            let finding = format!("PRAGMA synchronous by mode: {}", seen.join(", "));
            let mut observation = Observation::new(Verdict::Undocumented, finding);
            for one in seen {
                observation =
                    observation.saw(format!("create with durability_mode, {SYNCHRONOUS}"), one);
            }
            Ok(observation)
        }),
    },
    Probe {
        id: "durability-default",
        claim: "An acknowledged commit survives a power failure",
        source: "assumption; SQLite's own default is FULL",
        area: Area::Lifecycle,
        why: "With PRAGMA synchronous = NORMAL a power failure can lose the last commits",
        mitigation: "Set durability_mode to strong or extra for what must not be lost",
        how: "Makes a namespace without a mode and reads PRAGMA synchronous",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let value = synchronous(context, &stack, &json!({})).await?;
            let verdict = match value.as_str() {
                "2" | "3" => Verdict::AsDocumented,
                "0" | "1" => Verdict::Weakness,
                _ => Verdict::Undocumented,
            };
            let finding = format!("PRAGMA synchronous of a new namespace is {value}");
            Ok(Observation::new(verdict, finding).saw(SYNCHRONOUS, value))
        }),
    },
    Probe {
        id: "durability-change-is-live",
        claim: "A new durability_mode applies as soon as the Admin API has accepted it",
        source: "assumption; the Admin API's configuration",
        area: Area::Operations,
        why: "Some configuration changes apply at once, others only after a restart",
        mitigation: "none known",
        how: "Reads PRAGMA synchronous, sets durability_mode to extra, and reads it on a new \
              connection",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "durable").await?;
            let before = pragma(&stack, &name).await?;
            let changed =
                json!({ "block_reads": false, "block_writes": false, "durability_mode": "extra" });
            let changed = post(&stack, &format!("{name}/config"), &changed).await?;
            let after = pragma(&stack, &name).await?;
            let verdict = if after == "3" { Verdict::AsDocumented } else { Verdict::Differs };
            let finding = format!(
                "the change to extra is answered {}; PRAGMA synchronous was {before} and is \
                 {after}",
                changed.status
            );
            Ok(Observation::new(verdict, finding)
                .saw(format!("{SYNCHRONOUS} before"), before)
                .answered("POST config with durability_mode extra", &changed)
                .saw(format!("{SYNCHRONOUS} after"), after))
        }),
    },
];

const MEGABYTE: u64 = 1_000_000;
const REWRITES: usize = 20;

/// One row of a megabyte, rewritten again and again.
async fn rewrite(stack: &EphemeralStack, name: &NamespaceName) -> Result<()> {
    stack.admin()?.create(name).await?;
    given(stack, name, &["CREATE TABLE t (x)", "INSERT INTO t VALUES (randomblob(1000000))"])
        .await?;
    given(stack, name, &["UPDATE t SET x = randomblob(1000000)"; REWRITES]).await
}

/// The size of all files under `folder`. A file that disappears meanwhile counts as empty.
fn size(folder: &Path) -> Result<u64> {
    let mut whole = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        whole += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(whole)
}

/// What two writers met, the first of which leaves its transaction open.
struct Contest {
    /// How long the second waited.
    waited: Duration,
    /// What the second's write and the first's COMMIT were answered.
    second: String,
    commit: String,
    answer: Answer,
}

impl Contest {
    /// `when` says how soon the second writer was answered.
    fn observed(&self, when: &str) -> Observation {
        let Self { second, commit, .. } = self;
        let seconds = self.waited.as_secs_f64();
        let finding = format!(
            "the second writer is answered {second} {when}, the first one's COMMIT {commit}"
        );
        Observation::new(Verdict::Undocumented, finding)
            .saw("INSERT of the second writer", format!("{second} after {seconds:.2} s"))
            .answered("COMMIT of the first", &self.answer)
    }
}

async fn contest(stack: &EphemeralStack, name: &NamespaceName) -> Result<Contest> {
    let mut first = Stream::new(stack, name)?;
    first.execute("BEGIN IMMEDIATE").await?;
    let (word, opened) = first.execute("INSERT INTO t VALUES ('first')").await?;
    if word != "ok" {
        return Err(Error::experiment_saw("no open transaction", opened.excerpt()).into());
    }
    let since = Instant::now();
    let second = ask(stack, name, "INSERT INTO t VALUES ('second')").await?;
    let waited = since.elapsed();
    let (commit, answer) = first.execute("COMMIT").await?;
    let second = if second.succeeded() { "ok".to_owned() } else { outcome(&second) };
    Ok(Contest { waited, second, commit, answer })
}

async fn with_timeout(
    context: &ProbeContext<'_>,
    stack: &EphemeralStack,
    seconds: u32,
) -> Result<NamespaceName> {
    let name = context.name("timeout")?;
    let made = create(stack, &name, &json!({ "txn_timeout_s": seconds })).await?;
    if made.status != 200 {
        return Err(Error::experiment_saw("txn_timeout_s was refused", made.excerpt()).into());
    }
    given(stack, &name, &["CREATE TABLE t (x)"]).await?;
    Ok(name)
}

const SYNCHRONOUS: &str = "PRAGMA synchronous";

/// What a namespace made with `body` has as PRAGMA synchronous, or the refusal's status.
async fn synchronous(
    context: &ProbeContext<'_>,
    stack: &EphemeralStack,
    body: &Value,
) -> Result<String> {
    let name = context.name("durable")?;
    let made = create(stack, &name, body).await?;
    if made.status != 200 {
        return Ok(format!("refused with {}", made.status));
    }
    pragma(stack, &name).await
}

async fn pragma(stack: &EphemeralStack, name: &NamespaceName) -> Result<String> {
    let reply = ask(stack, name, SYNCHRONOUS).await?;
    Ok(reply.scalar().map_or_else(|| outcome(&reply), str::to_owned))
}
