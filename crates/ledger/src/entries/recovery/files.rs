//! Probes of what is in, and beside, a namespace's database file.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::super::following::support::health;
use super::fixtures::{
    Boot, ON_FILES, ask, boot, boot_with, data_dir, ends, folder_of, given, log_line, outcome,
    single,
};
use crate::{Area, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::hrana::Reply;
use demo_sqld_client::proto::{Stmt, Value};
use demo_stack::engine::Stop;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::blueprint::Variants;
use demo_stack::plan::{ServicePlan, StackPlan};

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "empty-stats-file",
        claim: "A crash while the statistics are written does not make a namespace unavailable",
        source: "issue libsql#2254, PR libsql#2255",
        area: Area::Lifecycle,
        why: "A full disk or a power failure leaves stats.json empty, and the database is down",
        mitigation: "Remove dbs/NAMESPACE/stats.json; no restart is needed",
        how: "Stops the primary, empties a namespace's stats.json, starts it, queries, removes the \
              file and queries again",
        engines: ON_FILES,
        check: &Probe::check(async |context| {
            let (stack, name, stats) = with_empty_stats(context).await?;
            let hurt = ask(&stack, &name, "SELECT count(*) FROM t").await?;
            std::fs::remove_file(&stats)?;
            let healed = ask(&stack, &name, "SELECT count(*) FROM t").await?;
            context.discard(&stack).await?;
            let verdict = if hurt.succeeded() { Verdict::AsDocumented } else { Verdict::Weakness };
            let finding = format!(
                "with an empty stats.json a query is answered {}, after its removal {}",
                outcome(&hurt),
                outcome(&healed)
            );
            Ok(Observation::new(verdict, finding)
                .replied("a query with an empty stats.json", &hurt)
                .replied("a query without stats.json, no restart", &healed))
        }),
    },
    Probe {
        id: "health-with-broken-namespace",
        claim: "/health reports a namespace that cannot be opened",
        source: "docs/http_api.md, /health",
        area: Area::Operations,
        why: "A tenant's database is down while every monitor shows green",
        mitigation: "Monitor with a SELECT in each namespace that matters",
        how: "Empties a namespace's stats.json while the server is stopped, starts it, queries \
              the namespace, and asks /health",
        engines: ON_FILES,
        check: &Probe::check(async |context| {
            let (stack, name, _stats) = with_empty_stats(context).await?;
            let query = ask(&stack, &name, "SELECT count(*) FROM t").await?;
            let health = health(&stack, "primary").await?;
            context.discard(&stack).await?;
            let told = query.succeeded() || health != 200;
            let verdict = if told { Verdict::AsDocumented } else { Verdict::Differs };
            let finding = format!(
                "a query of a broken namespace is answered {}, /health {health}",
                outcome(&query)
            );
            Ok(Observation::new(verdict, finding)
                .replied("a query of the namespace", &query)
                .saw("GET /health", health.to_string()))
        }),
    },
    Probe {
        id: "empty-stats-file-without-namespaces",
        claim: "A crash while the statistics are written does not keep the server from starting",
        source: "issue libsql#2254, PR libsql#2255",
        area: Area::Lifecycle,
        why: "A damaged statistics file alone can put a server into a restart loop",
        mitigation: "Remove dbs/default/stats.json before the start",
        how: "Stops a server without namespaces, empties stats.json, starts it, and once more \
              without the file",
        engines: ON_FILES,
        check: &Probe::check(async |context| {
            let stack = single(context).await?;
            let stats = folder_of(&stack, "default")?.join("stats.json");
            stack.engine.stop("primary", Stop::Graceful).await?;
            std::fs::write(&stats, b"")?;
            let hurt = boot(&stack).await?;
            let line = log_line(&stack, "EOF").await?;
            stack.engine.stop("primary", Stop::Kill).await?;
            std::fs::remove_file(&stats)?;
            let healed = boot(&stack).await?;
            context.discard(&stack).await?;
            let (verdict, finding) = match (hurt, healed) {
                (Boot::Ended, Boot::Ready) => (
                    Verdict::Weakness,
                    "the server ends at its start with an empty stats.json and starts without the \
                     file",
                ),
                (Boot::Ended, Boot::Ended) => {
                    (Verdict::Weakness, "the server ends at its start, without the file too")
                }
                (Boot::Ready, _) => {
                    (Verdict::AsDocumented, "the server starts with an empty stats.json")
                }
            };
            Ok(Observation::new(verdict, finding)
                .saw("a start with an empty stats.json", format!("{hurt:?}: {line}"))
                .saw("a start without stats.json", format!("{healed:?}")))
        }),
    },
    Probe {
        id: "restore-by-copy-reaches-replicas",
        claim: "After a restore by copying the database file, replicas serve the same data as the \
                primary",
        source: "issues libsql#1959, libsql#2172 and libsql#2198; no document",
        area: Area::Replication,
        why: "After a restore, replicas keep serving the data that was to be replaced",
        mitigation: "Create the file dbs/NAMESPACE/.sentinel, or remove wallog, before the start",
        how: "Stops the primary, replaces a namespace's data file, starts it and polls a replica \
              that has never seen the namespace, for 5 s or until it serves the old row",
        engines: ON_FILES,
        check: &Probe::check(async |context| restored(context, false).await),
    },
    Probe {
        id: "restore-with-sentinel-reaches-replicas",
        claim: "A .sentinel file beside a restored database makes replicas follow it",
        source: "assumption, read in the source",
        area: Area::Replication,
        why: "It is the way to restore a single database without touching the replicas",
        mitigation: "none known",
        how: "As restore-by-copy-reaches-replicas, with an empty .sentinel made before the start, \
              and 2 s",
        engines: ON_FILES,
        check: &Probe::check(async |context| restored(context, true).await),
    },
    Probe {
        id: "import-page-size-4096",
        claim: "An SQLite file with pages of 4096 bytes can be put in the place of a database",
        source: "issue libsql#1959; no document",
        area: Area::Lifecycle,
        why: "It is the only way to bring a large existing database in",
        mitigation: "none known",
        how: "Puts an empty SQLite file with pages of that size at dbs/default/data, starts the \
              server, reads and writes",
        engines: ON_FILES,
        check: &Probe::check(async |context| imported(context, 4096).await),
    },
    Probe {
        id: "import-page-size-1024",
        claim: "An SQLite file with pages of 1024 bytes can be put in the place of a database",
        source: "issue libsql#1959; no document",
        area: Area::Lifecycle,
        why: "Files from old programs have small pages",
        mitigation: "PRAGMA page_size = 4096 and VACUUM before the import",
        how: "As import-page-size-4096",
        engines: ON_FILES,
        check: &Probe::check(async |context| imported(context, 1024).await),
    },
    Probe {
        id: "import-page-size-8192",
        claim: "An SQLite file with pages of 8192 bytes can be put in the place of a database",
        source: "issue libsql#1959; no document",
        area: Area::Lifecycle,
        why: "The server comes up and answers reads, so the import seems to have worked",
        mitigation: "PRAGMA page_size = 4096 and VACUUM before the import",
        how: "As import-page-size-4096",
        engines: ON_FILES,
        check: &Probe::check(async |context| imported(context, 8192).await),
    },
];

pub(in crate::entries) const ENCRYPTION: &[Probe] = &[
    Probe {
        id: "encryption-leaves-sql-in-clear",
        claim: "With --encryption-key no value that was written is readable in the data folder",
        source: "sqld --help, --encryption-key",
        area: Area::Security,
        why: "Literals of the most expensive statements are stored in plain text beside the \
              encrypted file",
        mitigation: "Bind values as arguments, and encrypt the disk",
        how: "Writes one marker as a literal and one as an argument under a key, waits up to 7 s \
              for the statistics, stops the primary, and searches every file of the data folder",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context
                .primary(|plan| {
                    with_encryption(plan);
                    Ok(())
                })
                .await?;
            let name: NamespaceName = "secret".parse()?;
            stack.admin()?.create(&name).await?;
            let insert = format!("INSERT INTO t VALUES ('{LITERAL}')");
            given(&stack, &name, &["CREATE TABLE t (x)", &insert]).await?;
            let mut statement = Stmt::new("INSERT INTO t VALUES (?)", false);
            statement.bind(Value::Text { value: BOUND.into() });
            let hrana = stack.hrana("primary", Some(&name))?;
            let bound = hrana.statement(statement).await?;
            let stats = folder_of(&stack, "secret")?.join("stats.json");
            // Any statement in the file shows that the statistics are current; without one the wait
            // ends at its deadline.
            let written = poll("the statistics are written", STATISTICS, async || {
                let text = std::fs::read_to_string(&stats).unwrap_or_default();
                Ok(if text.contains("INSERT") {
                    Attempt::Done(())
                } else {
                    Attempt::Again("no statement".to_owned())
                })
            });
            let written = if written.await.is_ok() { "has statements" } else { "has no statement" };
            stack.engine.stop("primary", Stop::Graceful).await?;
            let data = data_dir(&stack)?;
            let literal = files_with(&data, LITERAL)?;
            let argument = files_with(&data, BOUND)?;
            context.discard(&stack).await?;
            let clear = literal != "no file" || argument != "no file";
            let verdict = if clear { Verdict::Weakness } else { Verdict::AsDocumented };
            let finding =
                format!("an SQL literal is in clear in {literal}, a bound argument in {argument}");
            Ok(Observation::new(verdict, finding)
                .replied("INSERT with a bound argument", &bound)
                .saw("stats.json", written)
                .saw(format!("files with {LITERAL}"), literal)
                .saw(format!("files with {BOUND}"), argument))
        }),
    },
    Probe {
        id: "encrypted-data-without-key",
        claim: "A server that is started on encrypted data without the key serves nothing",
        source: "sqld --help, --encryption-key",
        area: Area::Lifecycle,
        why: "A key that is lost in a deployment must not lead to a fresh, empty database",
        mitigation: "Keep the key apart from the data, and try a start with it from a backup",
        how: "Starts a primary with a key, writes, stops it, starts it without the key and \
              queries; once with namespaces and once without",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let forget = |service: &mut ServicePlan| {
                service.environment.remove("SQLD_ENCRYPTION_KEY");
            };
            let name: NamespaceName = "secret".parse()?;
            let stack = context
                .primary(|plan| {
                    with_encryption(plan);
                    Ok(())
                })
                .await?;
            stack.admin()?.create(&name).await?;
            given(&stack, &name, OLD).await?;
            stack.engine.stop("primary", Stop::Graceful).await?;
            let many = boot_with(&stack, forget).await?;
            let read = match many {
                Boot::Ready => Some(ask(&stack, &name, READ).await?),
                Boot::Ended => None,
            };
            context.discard(&stack).await?;

            let stack = context
                .own(Variants::DEFAULT, |plan, _| {
                    plan.services.retain(|service| service.name == "primary");
                    with_encryption(plan);
                    Ok(())
                })
                .await?;
            let written = stack.hrana("primary", None)?.execute("CREATE TABLE t (x)").await?;
            stack.engine.stop("primary", Stop::Graceful).await?;
            let one = boot_with(&stack, forget).await?;
            let line = log_line(&stack, "not a database").await?;
            context.discard(&stack).await?;

            let served = read.as_ref().is_some_and(Reply::succeeded) || one == Boot::Ready;
            let verdict = if served { Verdict::Weakness } else { Verdict::AsDocumented };
            let ends = "the server ends at its start".to_owned();
            let many = match &read {
                Some(read) => {
                    format!("the server starts and a query is answered {}", outcome(read))
                }
                None => ends.clone(),
            };
            let one = if one == Boot::Ended { ends } else { "the server starts".to_owned() };
            let finding = format!("with namespaces {many}; without namespaces {one}");
            let observation = Observation::new(verdict, finding);
            let observation = match &read {
                Some(read) => observation.replied("a query without the key, with namespaces", read),
                None => observation,
            };
            Ok(observation
                .replied("a write with the key, without namespaces", &written)
                .saw("a start without the key, without namespaces", format!("{one}: {line}")))
        }),
    },
];

const OLD: &[&str] = &["CREATE TABLE t (x)", "INSERT INTO t VALUES ('old')"];
const NEW: &[&str] = &["CREATE TABLE t (x)", "INSERT INTO t VALUES ('new')"];
const READ: &str = "SELECT x FROM t";
/// Long enough for a replica that is milliseconds behind to go wrong.
const SETTLES: Duration = Duration::from_secs(2);
/// The same where it is expected to, on a machine under load.
const GOES_WRONG: Duration = Duration::from_secs(5);

pub(super) async fn restored(context: &ProbeContext<'_>, sentinel: bool) -> Result<Observation> {
    let stack = context.own(Variants::NAMESPACED, |_, _| Ok(())).await?;
    let [target, source]: [NamespaceName; 2] = ["target".parse()?, "backup".parse()?];
    for (name, rows) in [(&target, OLD), (&source, NEW)] {
        stack.admin()?.create(name).await?;
        given(&stack, name, rows).await?;
    }
    stack.engine.stop("primary", Stop::Graceful).await?;
    let (from, to) = (folder_of(&stack, "backup")?, folder_of(&stack, "target")?);
    // Emptied into the file by the graceful stop; if not, the log is part of it.
    for file in ["data-wal", "data-shm"] {
        demo_base::files::remove(&to.join(file))?;
    }
    for file in ["data", "data-wal"] {
        if from.join(file).exists() {
            std::fs::copy(from.join(file), to.join(file))?;
        }
    }
    if sentinel {
        std::fs::write(to.join(".sentinel"), b"")?;
    }
    stack.resume("primary").await?;
    let primary = ask(&stack, &target, READ).await?;
    let replica = stack.hrana("replica", Some(&target))?;
    let first = replica.execute(READ).await?;
    let mut last = first.clone();
    let limit = if sentinel { SETTLES } else { GOES_WRONG };
    let stale = poll("the replica serves the old row", limit, async || {
        last = replica.execute(READ).await?;
        Ok(match last.scalar() {
            Some("old") => Attempt::Done(()),
            _ => Attempt::Again(last.describe()),
        })
    });
    let stale = stale.await.is_ok();
    context.discard(&stack).await?;
    let seen = primary.scalar().map_or_else(|| outcome(&primary), str::to_owned);
    let (verdict, finding) = match (seen.as_str(), stale, last.scalar()) {
        ("new", true, _) => (
            Verdict::Weakness,
            "the primary serves the restored data, the replica what was replaced".to_owned(),
        ),
        ("new", false, Some("new")) => {
            (Verdict::AsDocumented, "primary and replica serve the restored data".to_owned())
        }
        (primary, stale, _) => {
            let replica = if stale { "old".to_owned() } else { outcome(&last) };
            (Verdict::Weakness, format!("the primary answers {primary}, the replica {replica}"))
        }
    };
    Ok(Observation::new(verdict, finding)
        .replied(format!("{READ} on the primary, after the copy"), &primary)
        .replied("the replica's first answer", &first)
        .replied("the replica's last answer", &last))
}

pub(super) async fn imported(context: &ProbeContext<'_>, page_size: u16) -> Result<Observation> {
    let stack = single(context).await?;
    stack.engine.stop("primary", Stop::Graceful).await?;
    let data = data_dir(&stack)?;
    std::fs::remove_dir_all(&data)?;
    let folder = folder_of(&stack, "default")?;
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("data"), empty_database(page_size))?;
    let observation = if boot(&stack).await? == Boot::Ended {
        let finding = "the server ends at its start";
        Observation::new(Verdict::Weakness, finding)
            .saw("its log", log_line(&stack, "panicked").await?)
    } else {
        let primary = stack.hrana("primary", None)?;
        let read = primary.execute("SELECT count(*) FROM sqlite_schema").await?;
        let write = primary.execute("CREATE TABLE t (x)").await;
        // The process stops answering before it has ended.
        let limit = if write.is_ok() { Duration::from_millis(300) } else { SETTLES };
        let ended = ends(&stack, limit).await?;
        let read_word = outcome(&read);
        let (verdict, finding) = match (&write, ended) {
            (Ok(reply), false) if reply.succeeded() && read.succeeded() => {
                (Verdict::AsDocumented, "reads and writes succeed".to_owned())
            }
            (_, true) => {
                let finding = format!("a read is answered {read_word}, a write ends the server");
                (Verdict::Weakness, finding)
            }
            (Ok(reply), false) => {
                let write = outcome(reply);
                (Verdict::Weakness, format!("a read is answered {read_word}, a write {write}"))
            }
            (Err(_), false) => {
                let finding = format!("a read is answered {read_word}, a write not at all");
                (Verdict::Weakness, finding)
            }
        };
        let observation = Observation::new(verdict, finding).replied("a read", &read);
        match write {
            Ok(reply) => observation.replied("a write", &reply),
            Err(error) => observation.saw("a write", format!("{error:#}")),
        }
    };
    context.discard(&stack).await?;
    Ok(observation)
}

/// A primary that was stopped, lost the content of a namespace's stats.json and was started again;
/// the namespace, and the path of the file.
async fn with_empty_stats(
    context: &ProbeContext<'_>,
) -> Result<(Rc<EphemeralStack>, NamespaceName, PathBuf)> {
    let stack = context.primary(|_| Ok(())).await?;
    let name: NamespaceName = "hurt".parse()?;
    stack.admin()?.create(&name).await?;
    given(&stack, &name, &["CREATE TABLE t (x)"]).await?;
    let stats = folder_of(&stack, "hurt")?.join("stats.json");
    stack.engine.stop("primary", Stop::Graceful).await?;
    std::fs::write(&stats, b"")?;
    stack.resume("primary").await?;
    Ok((stack, name, stats))
}

/// A database without tables: one page with the header and an empty leaf of the
/// schema's tree (SQLite's file format, sections 1.3 and 1.6).
fn empty_database(page_size: u16) -> Vec<u8> {
    const HEADER: usize = 100;
    let mut page = vec![0; usize::from(page_size)];
    let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"SQLite format 3\0");
    put(16, &page_size.to_be_bytes());
    // Rollback journal for reading and writing, nothing reserved, fixed fractions.
    put(18, &[1, 1, 0, 64, 32, 32]);
    let one = 1_u32.to_be_bytes();
    // Change counter, pages, schema format 4, UTF-8, and the counter's validity.
    put(24, &one);
    put(28, &one);
    put(44, &4_u32.to_be_bytes());
    put(56, &one);
    put(92, &one);
    put(96, &3_045_001_u32.to_be_bytes());
    // A table leaf without cells, whose content starts at the end of the page.
    put(HEADER, &[13, 0, 0, 0, 0]);
    put(HEADER + 5, &page_size.to_be_bytes());
    page
}

const LITERAL: &str = "marker-literal-7c01";
const BOUND: &str = "marker-bound-7c02";
const KEY: &str = "a-key-for-this-run-only-32-bytes";

/// Statistics are written every 5 s.
const STATISTICS: Duration = Duration::from_secs(7);

fn with_encryption(plan: &mut StackPlan) {
    for service in &mut plan.services {
        service.environment.insert("SQLD_ENCRYPTION_KEY".to_owned(), KEY.to_owned());
    }
}

/// The names of the files under `folder` that have `marker` in them.
fn files_with(folder: &Path, marker: &str) -> Result<String> {
    let mut found = Vec::new();
    search(folder, marker, &mut found)?;
    found.sort();
    Ok(if found.is_empty() { "no file".to_owned() } else { found.join(", ") })
}

fn search(folder: &Path, marker: &str, found: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            search(&path, marker, found)?;
            continue;
        }
        let bytes = std::fs::read(&path)?;
        if bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
            && let Some(name) = path.file_name()
        {
            found.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
