//! Dumps, and namespaces made from them.

use std::path::Path;
use std::rc::Rc;

use serde_json::json;

use super::recovery::fixtures::{ask, create, default_name, get, given, outcome};
use crate::{Area, Engines, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_base::files;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::hrana::Reply;
use demo_sqld_client::http::Answer;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::blueprint::Variants;
use demo_stack::plan::{Interface, MountPlan};
use demo_stack::state::EngineKind;

pub(super) mod schema;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "dump-with-trigger-loads",
        claim: "A dump of a database with a trigger of several lines can be loaded again",
        source: "issue libsql#1562, GET /dump and dump_url",
        area: Area::Lifecycle,
        why: "A backup that nobody has tried to load fails on the day it is needed",
        mitigation: "Write triggers on one line, or back up the database file instead of a dump",
        how: "Dumps a namespace with a trigger, once of one line and once of several, and creates \
              namespaces from the dumps",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = primary_with_dumps(context).await?;
            let [a, b, c, d]: [NamespaceName; 4] =
                ["one".parse()?, "one-back".parse()?, "more".parse()?, "more-back".parse()?];
            let one = round_trip(&stack, [&a, &b], &[TABLE, ONE_LINE], "/dump").await?;
            let several = round_trip(&stack, [&c, &d], &[TABLE, SEVERAL_LINES], "/dump").await?;
            context.discard(&stack).await?;
            Ok(loaded(&several, Some(&one), "a trigger of several lines")
                .answered("create from a dump with a trigger of one line", &one)
                .answered("create from a dump with a trigger of several lines", &several))
        }),
    },
    Probe {
        id: "dump-with-comment-loads",
        claim: "A dump of a table whose DDL has a comment with a semicolon can be loaded again",
        source: "a comment in libsql-server's namespace/configurator/helpers.rs",
        area: Area::Lifecycle,
        why: "One comment in a schema makes every dump of the database useless",
        mitigation: "Keep semicolons out of comments in DDL; try every dump by loading it",
        how: "Dumps a namespace whose table has `-- a comment;` in it and creates another from it",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = primary_with_dumps(context).await?;
            let [a, b]: [NamespaceName; 2] = ["from".parse()?, "back".parse()?];
            let table = "CREATE TABLE t (\n  x, -- a comment;\n  y\n)";
            let created = round_trip(&stack, [&a, &b], &[table], "/dump").await?;
            context.discard(&stack).await?;
            Ok(loaded(&created, None, "a comment that ends in a semicolon")
                .answered("create from a dump with `-- a comment;`", &created))
        }),
    },
    Probe {
        id: "dump-keeps-rowids",
        claim: "A dump that is loaded again has the same rowids",
        source: "assumption; GET /dump",
        area: Area::Lifecycle,
        why: "Tables that refer to rowids point at the wrong rows after a restore",
        mitigation: "Declare INTEGER PRIMARY KEY, or ask for /dump?preserve_row_ids=true",
        how: "Deletes the middle one of three rows, and compares rowids after a dump and a load, \
              with and without preserve_row_ids",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const ROWIDS: &str =
                "SELECT group_concat(rowid) FROM (SELECT rowid FROM t ORDER BY rowid)";
            let stack = primary_with_dumps(context).await?;
            let [a, b, c]: [NamespaceName; 3] =
                ["from".parse()?, "plain".parse()?, "kept".parse()?];
            let rows = &[TABLE, "INSERT INTO t VALUES (1), (2), (3)", "DELETE FROM t WHERE x = 2"];
            let one = round_trip(&stack, [&a, &b], rows, "/dump").await?;
            let other = again(&stack, [&a, &c], "/dump?preserve_row_ids=true").await?;
            let plain = ask(&stack, &b, ROWIDS).await?;
            let kept = ask(&stack, &c, ROWIDS).await?;
            context.discard(&stack).await?;
            let ids = |reply: &Reply| reply.scalar().map_or_else(|| outcome(reply), str::to_owned);
            let verdict =
                if ids(&plain) == "1,3" { Verdict::AsDocumented } else { Verdict::Undocumented };
            let finding = format!(
                "the rowids 1,3 are {} after a dump and a load, and {} with preserve_row_ids=true",
                ids(&plain),
                ids(&kept)
            );
            Ok(Observation::new(verdict, finding)
                .answered("create from /dump", &one)
                .replied("its rowids", &plain)
                .answered("create from /dump?preserve_row_ids=true", &other)
                .replied("its rowids", &kept))
        }),
    },
    Probe {
        id: "dump-keeps-user-version",
        claim: "A dump that is loaded again has the same PRAGMA user_version",
        source: "assumption; GET /dump",
        area: Area::Lifecycle,
        why: "Migration tools that count in user_version run all migrations again after a restore",
        mitigation: "Keep the schema's version in a table, or set the pragma after a restore",
        how: "Sets user_version to 7, dumps, loads and reads it",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = primary_with_dumps(context).await?;
            let [a, b]: [NamespaceName; 2] = ["from".parse()?, "back".parse()?];
            let created =
                round_trip(&stack, [&a, &b], &[TABLE, "PRAGMA user_version = 7"], "/dump").await?;
            let before = ask(&stack, &a, "PRAGMA user_version").await?;
            let after = ask(&stack, &b, "PRAGMA user_version").await?;
            context.discard(&stack).await?;
            let (verdict, finding) = match (before.scalar(), after.scalar()) {
                (Some("7"), Some("7")) => {
                    (Verdict::AsDocumented, "user_version survives".to_owned())
                }
                (Some(before), Some(after)) => {
                    let finding =
                        format!("user_version {before} is {after} after a dump and a load");
                    (Verdict::Undocumented, finding)
                }
                _ => {
                    let answers = format!("{} and {}", outcome(&before), outcome(&after));
                    (Verdict::Undocumented, format!("PRAGMA user_version is answered {answers}"))
                }
            };
            Ok(Observation::new(verdict, finding)
                .answered("create from /dump", &created)
                .replied("PRAGMA user_version before", &before)
                .replied("PRAGMA user_version after", &after))
        }),
    },
    Probe {
        id: "dump-keeps-values",
        claim: "A dump that is loaded again has the same blobs, reals, texts and views",
        source: "assumption; GET /dump",
        area: Area::Lifecycle,
        why: "A backup must return the data that went in",
        mitigation: "Compare a restored database with the original before relying on dumps",
        how: "Dumps and loads rows with blobs, reals, quotes, newlines and NULL, a view, a \
              generated column and a table without rowid, and compares them",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const VALUES: &[&str] = &[
                "CREATE TABLE v (id INTEGER PRIMARY KEY, x, twice AS (x || x))",
                "INSERT INTO v (x) VALUES (x'00ff27'), (1e-300), (0.1), ('it''s\nso;'), (NULL), \
                 (-9)",
                "CREATE TABLE w (k TEXT PRIMARY KEY, n) WITHOUT ROWID",
                "INSERT INTO w VALUES ('b', 1), ('a', 9223372036854775807)",
                "CREATE VIEW both AS SELECT id AS k, quote(x) AS n, quote(twice) AS t FROM v \
                 UNION ALL SELECT k, quote(n), NULL FROM w",
            ];
            const ALL: &str =
                "SELECT group_concat(k || '=' || n || '/' || ifnull(t, ''), ' ') FROM both";
            let stack = primary_with_dumps(context).await?;
            let [a, b]: [NamespaceName; 2] = ["from".parse()?, "back".parse()?];
            let created = round_trip(&stack, [&a, &b], VALUES, "/dump").await?;
            let before = ask(&stack, &a, ALL).await?;
            let after = ask(&stack, &b, ALL).await?;
            context.discard(&stack).await?;
            let same = before.succeeded() && before.scalar() == after.scalar();
            Ok(Observation::either(
                same,
                (Verdict::AsDocumented, "every value comes back as it was"),
                (Verdict::Weakness, "some values do not come back as they were"),
            )
            .answered("create from /dump", &created)
            .replied("values before", &before)
            .replied("values after", &after))
        }),
    },
    Probe {
        id: "failed-load-leaves-namespace",
        claim: "A failed creation from a broken dump leaves nothing behind",
        source: "docs/ADMIN_API, create with dump_url",
        area: Area::Lifecycle,
        why: "A second try with a good dump is refused, and an empty database is served meanwhile",
        mitigation: "DELETE the namespace after a failed load, before the next try",
        how: "Creates a namespace from a file with an SQL error, queries it, creates it again",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = primary_with_dumps(context).await?;
            let name: NamespaceName = "broken".parse()?;
            let broken =
                load(&stack, &name, "CREATE TABLE t (x);\nINSERT INTO nowhere VALUES (1);\n")
                    .await?;
            let read = ask(&stack, &name, "SELECT 1").await?;
            let second = create(&stack, &name, &json!({})).await?;
            context.discard(&stack).await?;
            let clean = broken.status != 200 && second.status == 200;
            let verdict = if clean { Verdict::AsDocumented } else { Verdict::Differs };
            let finding = format!(
                "the load is answered {}, a query of the namespace {}, its creation without a dump \
                 {}",
                broken.status,
                outcome(&read),
                second.status
            );
            Ok(Observation::new(verdict, finding)
                .answered("create from a dump with an error", &broken)
                .replied("SELECT 1", &read)
                .answered("create again", &second))
        }),
    },
    Probe {
        id: "dump-url-not-found",
        claim: "A creation from a dump_url that is answered 404 fails",
        source: "docs/ADMIN_API, create with dump_url",
        area: Area::Lifecycle,
        why: "A restore from an expired download link succeeds, with nothing in it",
        mitigation: "Load dumps from files, and look at the tables afterwards",
        how: "Creates a namespace from a URL of the server itself that it answers with 404",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.name("nowhere")?;
            let address = stack.address("primary", Interface::Http)?;
            let missing =
                Answer::to(stack.http.get(format!("http://{address}/nope")), "/nope").await?;
            // As the server itself sees it.
            let port = match stack.engine.kind() {
                EngineKind::Native => Some(address.port()),
                EngineKind::Docker => stack.service("primary")?.listen_port(Interface::Http),
            };
            let port = port.ok_or_else(|| Error::layout("the primary has no HTTP port"))?;
            let url = json!({ "dump_url": format!("http://127.0.0.1:{port}/nope") });
            let created = create(&stack, &name, &url).await?;
            let tables = ask(&stack, &name, "SELECT count(*) FROM sqlite_schema").await?;
            if created.status == 200 {
                stack.admin()?.delete(&name).await?;
            }
            if missing.status != 404 {
                return Err(
                    Error::experiment(format!("/nope is answered {}", missing.status)).into()
                );
            }
            let observation = match (created.status, tables.scalar()) {
                (200, Some("0")) => Observation::new(
                    Verdict::Weakness,
                    "the creation is answered 200 and the database is empty",
                ),
                (200, _) => Observation::new(Verdict::Weakness, "the creation is answered 200"),
                (status, _) => Observation::new(
                    Verdict::AsDocumented,
                    format!("the creation is answered {status}"),
                ),
            };
            Ok(observation
                .answered("GET /nope", &missing)
                .answered("create with dump_url http://127.0.0.1:PORT/nope", &created)
                .replied("SELECT count(*) FROM sqlite_schema", &tables))
        }),
    },
    Probe {
        id: "dump-into-default-is-ignored",
        claim: "`default` can be created from a dump, or the attempt is refused",
        source: "docs/ADMIN_API, create with dump_url",
        area: Area::Lifecycle,
        why: "A restore of the only database of a small installation reports success and does \
              nothing",
        mitigation: "Restore into a namespace with a name of its own",
        how: "Queries `default`, creates it from a dump with one table, and looks for the table",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = primary_without(context, &["--disable-default-namespace"]).await?;
            let default = default_name()?;
            let first = ask(&stack, &default, "SELECT 1").await?;
            let created = load(&stack, &default, "CREATE TABLE restored (x);\n").await?;
            let table = ask(&stack, &default, "SELECT count(*) FROM restored").await?;
            context.discard(&stack).await?;
            let observation = match (created.status, table.succeeded()) {
                (200, false) => Observation::new(
                    Verdict::Weakness,
                    "the creation is answered 200 and the dump is silently ignored",
                ),
                (200, true) => Observation::new(Verdict::AsDocumented, "the dump is loaded"),
                (status, _) => Observation::new(
                    Verdict::AsDocumented,
                    format!("the creation is answered {status}"),
                ),
            };
            Ok(observation
                .replied("SELECT 1 on default", &first)
                .answered("create default with a dump_url", &created)
                .replied("SELECT count(*) FROM restored", &table))
        }),
    },
    Probe {
        id: "dump-url-reads-server-files",
        claim: "A dump_url reaches only what the caller could read without the server",
        source: "docs/ADMIN_API, create with dump_url",
        area: Area::Security,
        why: "Anyone who holds the Admin key can make the server open any file that its user can \
              read",
        mitigation: "Treat the Admin key as an account on the machine; keep the port on loopback",
        how: "Creates namespaces from a file:// URL of a file outside the data folder, of a file \
              that is not there, and from an ftp:// URL",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = primary_with_dumps(context).await?;
            let [a, b, c]: [NamespaceName; 3] =
                ["file".parse()?, "missing".parse()?, "ftp".parse()?];
            let file =
                load(&stack, &a, "CREATE TABLE t (x);\nINSERT INTO t VALUES ('from the file');\n");
            let file = file.await?;
            let read = ask(&stack, &a, "SELECT x FROM t").await?;
            let url = file_url(&stack, "not-there.sql");
            let missing = create(&stack, &b, &json!({ "dump_url": url })).await?;
            let ftp = create(&stack, &c, &json!({ "dump_url": "ftp://127.0.0.1/x.sql" })).await?;
            context.discard(&stack).await?;
            let verdict = if read.succeeded() { Verdict::Weakness } else { Verdict::AsDocumented };
            let fate =
                if read.scalar() == Some("from the file") { "can be queried" } else { "cannot" };
            let finding = format!(
                "a file of the server's machine is answered {} and its content {fate}; a file that \
                 is not there {}, ftp {}",
                file.status, missing.status, ftp.status
            );
            Ok(Observation::new(verdict, finding)
                .answered("create with dump_url file:// of a file outside the data folder", &file)
                .replied("SELECT x FROM t", &read)
                .answered("create with dump_url file:// of a file that is not there", &missing)
                .answered("create with dump_url ftp://", &ftp))
        }),
    },
];

/// Where the dumps are inside a container.
const INSIDE: &str = "/run/demo/dumps";

/// A throw-away primary that can read a folder of dumps.
async fn primary_with_dumps(context: &ProbeContext<'_>) -> Result<Rc<EphemeralStack>> {
    primary_without(context, &[]).await
}

/// The same without some flags.
async fn primary_without(context: &ProbeContext<'_>, flags: &[&str]) -> Result<Rc<EphemeralStack>> {
    context
        .own(Variants::NAMESPACED, |plan, folder| {
            let source = dumps_of(folder);
            files::create_dir(&source, files::MODE_SHARED_DIR)?;
            plan.services.retain(|service| service.name == "primary");
            for service in &mut plan.services {
                service.command.retain(|word| !flags.contains(&word.as_str()));
                let source = source.clone();
                let target = INSIDE.to_owned();
                service.mounts.push(MountPlan { source, target, read_only: true });
            }
            Ok(())
        })
        .await
}

fn dumps_of(folder: &Path) -> std::path::PathBuf {
    folder.join("dumps")
}

/// The URL under which the server finds a file of the folder of dumps.
fn file_url(stack: &EphemeralStack, file: &str) -> String {
    match stack.engine.kind() {
        EngineKind::Native => format!("file://{}", dumps_of(stack.folder()).join(file).display()),
        EngineKind::Docker => format!("file://{INSIDE}/{file}"),
    }
}

/// Creates `name` from a file with `text` in it.
async fn load(stack: &EphemeralStack, name: &NamespaceName, text: &str) -> Result<Answer> {
    let file = format!("{name}.sql");
    let path = dumps_of(stack.folder()).join(&file);
    files::write_atomic(&path, text.as_bytes(), files::MODE_SHARED)?;
    create(stack, name, &json!({ "dump_url": file_url(stack, &file) })).await
}

/// Makes namespace `from` with `sql`, dumps it at `path` and creates `to` from the dump.
async fn round_trip(
    stack: &EphemeralStack,
    [from, to]: [&NamespaceName; 2],
    sql: &[&str],
    path: &str,
) -> Result<Answer> {
    stack.admin()?.create(from).await?;
    given(stack, from, sql).await?;
    again(stack, [from, to], path).await
}

/// Dumps `from` at `path` and creates `to` from the dump.
async fn again(
    stack: &EphemeralStack,
    [from, to]: [&NamespaceName; 2],
    path: &str,
) -> Result<Answer> {
    let dump = get(stack, from, path).await?;
    if dump.status != 200 {
        let said = format!("{} {}", dump.status, dump.excerpt());
        return Err(Error::experiment_saw(format!("GET {path} gave no dump"), said).into());
    }
    load(stack, to, &dump.body).await
}

const TABLE: &str = "CREATE TABLE t (x)";
const ONE_LINE: &str = "CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET x = 1; END";
const SEVERAL_LINES: &str =
    "CREATE TRIGGER a AFTER INSERT ON t\nBEGIN\n  UPDATE t SET x = 1;\n  DELETE FROM t;\nEND";

/// Whether a dump with `what` in it could be loaded, and the simpler control too.
fn loaded(answer: &Answer, control: Option<&Answer>, what: &str) -> Observation {
    let aside = match control {
        Some(control) if control.status == 200 => "; one of a single line loads".to_owned(),
        Some(control) => format!("; one of a single line is answered {}", control.status),
        None => String::new(),
    };
    let (verdict, finding) = match answer.status {
        200 => (Verdict::AsDocumented, format!("a dump with {what} loads{aside}")),
        status => {
            let reason =
                if answer.body.contains("incomplete input") { " \"incomplete input\"" } else { "" };
            let finding = format!("a dump with {what} is refused with {status}{reason}{aside}");
            (Verdict::Weakness, finding)
        }
    };
    Observation::new(verdict, finding)
}
