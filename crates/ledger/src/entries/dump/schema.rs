//! What a dump makes of the schema, and where a relative `dump_url` leads.

use serde_json::json;

use super::super::recovery::fixtures::{ask, create, outcome};
use super::{file_url, load, primary_with_dumps, round_trip};
use crate::{Area, Engines, Observation, Probe, Verdict};
use demo_sqld::namespace::NamespaceName;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "dump-keeps-schema",
        claim: "A dump that is loaded again has the same full-text index, references and sequence",
        source: "assumption; GET /dump",
        area: Area::Lifecycle,
        why: "Virtual tables, creation order and sqlite_sequence are where dumps break",
        mitigation: "Compare a restored database with the original before relying on dumps",
        how: "Dumps and loads an FTS5 table, a child table that is older than its parent, and an \
              AUTOINCREMENT whose last row was deleted; searches, breaks the reference, inserts",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const SCHEMA: &[&str] = &[
                "CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent (id))",
                "CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT)",
                "INSERT INTO parent VALUES (1), (7)",
                "INSERT INTO child VALUES (1, 1)",
                "DELETE FROM parent WHERE id = 7",
                "CREATE VIRTUAL TABLE notes USING fts5 (words)",
                "INSERT INTO notes VALUES ('the quick fox'), ('a slow snail')",
            ];
            let stack = primary_with_dumps(context).await?;
            let [from, back]: [NamespaceName; 2] = ["from".parse()?, "back".parse()?];
            let created = round_trip(&stack, [&from, &back], SCHEMA, "/dump").await?;
            let found = ask(
                &stack,
                &back,
                "SELECT group_concat(words) FROM notes WHERE notes MATCH 'quick'",
            );
            let found = found.await?;
            let orphan = ask(&stack, &back, "INSERT INTO child VALUES (2, 99)").await?;
            let next = ask(&stack, &back, "INSERT INTO parent VALUES (NULL) RETURNING id").await?;
            context.discard(&stack).await?;
            let good = [
                found.scalar() == Some("the quick fox"),
                orphan.sql_error().is_some(),
                next.scalar() == Some("8"),
            ];
            let word =
                |good: bool, yes: &'static str, no: &'static str| if good { yes } else { no };
            let finding = format!(
                "the dump is answered {}; a full-text search {}, an orphan is {}, a deleted id {}",
                created.status,
                word(good[0], "finds its row", "does not find its row"),
                word(good[1], "refused", "taken"),
                word(good[2], "is not given again", "is given again"),
            );
            let verdict = if created.status == 200 && good == [true; 3] {
                Verdict::AsDocumented
            } else {
                Verdict::Weakness
            };
            Ok(Observation::new(verdict, finding)
                .answered("create from /dump", &created)
                .replied("MATCH 'quick'", &found)
                .replied("INSERT of an orphan", &orphan)
                .replied("INSERT INTO parent … RETURNING id", &next))
        }),
    },
    Probe {
        id: "dump-url-relative-path",
        claim: "A relative path in a file: URL begins at the server's folder, or is refused",
        source: "assumption; docs/ADMIN_API, create with dump_url",
        area: Area::Lifecycle,
        why: "The server may load a different file than intended",
        mitigation: "Write three slashes and an absolute path",
        how: "Creates a namespace from an absolute path whose leading slash is left out",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = primary_with_dumps(context).await?;
            let [whole, part]: [NamespaceName; 2] = ["whole".parse()?, "part".parse()?];
            let text = "CREATE TABLE t (x);\nINSERT INTO t VALUES ('from the root');\n";
            let control = load(&stack, &whole, text).await?;
            let url = file_url(&stack, "whole.sql").replacen("file:///", "file:", 1);
            let created = create(&stack, &part, &json!({ "dump_url": url })).await?;
            let read = ask(&stack, &part, "SELECT x FROM t").await?;
            context.discard(&stack).await?;
            let from_root = read.scalar() == Some("from the root");
            let finding = format!(
                "file:///PATH is answered {}; file:PATH {}, and {}",
                control.status,
                created.status,
                if from_root {
                    "PATH begins at the root".to_owned()
                } else {
                    format!("a query {}", outcome(&read))
                }
            );
            let verdict = if from_root { Verdict::Undocumented } else { Verdict::AsDocumented };
            Ok(Observation::new(verdict, finding)
                .answered("create with dump_url file:///PATH", &control)
                .answered("create with dump_url file:PATH", &created)
                .replied("SELECT x FROM t", &read))
        }),
    },
];
