//! Which SQL runs, and with what result.

use serde_json::{Value, json};

use crate::entries::http_api::wire::{Wire, execute, result, scalar, verdict_of};
use crate::{Area, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "sql-no-maintenance",
        claim: "VACUUM, ANALYZE and PRAGMA optimize work as in SQLite",
        source: "#900, sqld#391",
        area: Area::HttpAndSql,
        why: "A database never shrinks, and its planner never learns",
        mitigation: "Dump and load into a new namespace",
        how: "Runs each",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let statements =
                ["VACUUM", "ANALYZE", "REINDEX", "PRAGMA optimize", "PRAGMA wal_checkpoint"];
            all_run(context, &statements).await
        }),
    },
    Probe {
        id: "sql-pragmas-refused",
        claim: "A connection's settings can be changed with PRAGMA",
        source: "PR #2274",
        area: Area::HttpAndSql,
        why: "Tools and migrations that set them first fail at once",
        mitigation: "Leave them out; most have a flag or a setting of the namespace",
        how: "Sets nine of them",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let statements = [
                "PRAGMA journal_mode = delete",
                "PRAGMA cache_size = 10",
                "PRAGMA query_only = 1",
                "PRAGMA temp_store = 2",
                "PRAGMA case_sensitive_like = 1",
                "PRAGMA writable_schema = 1",
                "PRAGMA defer_foreign_keys = 1",
                "PRAGMA foreign_keys = 0",
                "PRAGMA user_version = 7",
            ];
            all_run(context, &statements).await
        }),
    },
    Probe {
        id: "sql-no-temporary-tables",
        claim: "CREATE TEMP TABLE works as in SQLite",
        source: "#900; assumption",
        area: Area::HttpAndSql,
        why: "Reports that use a temporary table fail",
        mitigation: "Use a common table expression, or a table with a name of its own",
        how: "Runs it",
        engines: Engines::Both,
        check: &Probe::check(async |context| all_run(context, &["CREATE TEMP TABLE t (x)"]).await),
    },
    Probe {
        id: "sql-no-attach",
        claim: "ATTACH of a file is refused",
        source: "assumption",
        area: Area::Security,
        why: "It would open any database on the machine",
        mitigation: "Nothing to do",
        how: "ATTACH with the path of a file",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let answer =
                own(context).await?.execute("ATTACH 'file:other?mode=ro' AS other").await?;
            let outcome = verdict_of(&answer);
            let verdict = if outcome == "ok" { Verdict::Weakness } else { Verdict::AsDocumented };
            Ok(Observation::new(verdict, format!("ATTACH of a file: {outcome}"))
                .answered("ATTACH", &answer))
        }),
    },
    Probe {
        id: "sql-one-statement-each",
        claim: "A string with several statements runs all of them",
        source: "assumption",
        area: Area::HttpAndSql,
        why: "A migration script fails as a whole",
        mitigation: "Use `sequence`, or send the statements one by one",
        how: "SELECT 1; SELECT 2 as `execute` and as `sequence`",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = own(context).await?;
            let sql = "SELECT 1; SELECT 2";
            let executed = wire.execute(sql).await?;
            let sequence = json!([{ "type": "sequence", "sql": sql }, { "type": "close" }]);
            let sequence = wire.pipeline(sequence).await?;
            let verdict = match verdict_of(&executed).as_str() {
                "ok" => Verdict::AsDocumented,
                _ => Verdict::Undocumented,
            };
            let finding =
                format!("execute: {}, sequence: {}", verdict_of(&executed), verdict_of(&sequence));
            Ok(Observation::new(verdict, finding)
                .answered("execute", &executed)
                .answered("sequence", &sequence))
        }),
    },
    Probe {
        id: "sql-foreign-keys-on",
        claim: "Foreign keys are enforced only after PRAGMA foreign_keys = ON",
        source: "SQLite's documentation",
        area: Area::HttpAndSql,
        why: "Inserts that work in SQLite can fail here",
        mitigation: "Load parent rows before their children",
        how: "Asks for the setting, and inserts a row without its parent",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = own(context).await?;
            let setting = wire.execute("PRAGMA foreign_keys").await?;
            wire.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)").await?;
            wire.execute("CREATE TABLE child (p REFERENCES parent (id))").await?;
            let orphan = wire.execute("INSERT INTO child VALUES (1)").await?;
            let value = scalar(&setting).unwrap_or_else(|| "unknown".to_owned());
            let word = if verdict_of(&orphan) == "ok" { "stored" } else { "refused" };
            let verdict = if word == "stored" { Verdict::AsDocumented } else { Verdict::Differs };
            let finding = format!("foreign_keys is {value} unasked, an orphan is {word}");
            Ok(Observation::new(verdict, finding).answered("INSERT of an orphan", &orphan))
        }),
    },
    Probe {
        id: "sql-extensions",
        claim: "FTS5, STRICT tables, JSON, regexp, vectors and uuid4() are available",
        source: "#900; assumption",
        area: Area::HttpAndSql,
        why: "A missing feature fails only when it is used",
        mitigation: "Generate UUIDs in the application, or use uuid()",
        how: "Uses each",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let statements = [
                "CREATE VIRTUAL TABLE words USING fts5 (x)",
                "CREATE TABLE strict_one (x INTEGER) STRICT",
                "SELECT json_extract('{\"a\":1}', '$.a')",
                "SELECT 'abc' REGEXP '^a'",
                "SELECT vector_distance_cos(vector('[1,2]'), vector('[2,1]'))",
                "SELECT uuid()",
                "SELECT uuid4()",
            ];
            all_run(context, &statements).await
        }),
    },
    Probe {
        id: "sqlite-version",
        claim: "The server contains a current SQLite",
        source: "assumption",
        area: Area::HttpAndSql,
        why: "Newer SQL features and fixes are missing",
        mitigation: "none known",
        how: "SELECT sqlite_version()",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let answer = own(context).await?.execute("SELECT sqlite_version()").await?;
            let version = scalar(&answer).unwrap_or_else(|| verdict_of(&answer));
            Ok(Observation::new(Verdict::Undocumented, format!("SQLite {version}"))
                .answered("SELECT sqlite_version()", &answer))
        }),
    },
    Probe {
        id: "sql-value-limit",
        claim: "A value may have a billion bytes, as in SQLite",
        source: "SQLite's limits; the namespace's max_row_size",
        area: Area::HttpAndSql,
        why: "A growing file can one day no longer be stored, and a dump that contains it cannot \
              be loaded",
        mitigation: "Keep files elsewhere; 4 MB are safe",
        how: "Stores a value of 4 MB, one of 6 MB, and 6 MB as an argument",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = own(context).await?;
            wire.execute("CREATE TABLE t (x)").await?;
            let four = wire.execute("INSERT INTO t VALUES (zeroblob(4000000))").await?;
            let six = wire.execute("INSERT INTO t VALUES (zeroblob(6000000))").await?;
            let argument = json!({ "type": "text", "value": "x".repeat(6_000_000) });
            let mut insert = execute("INSERT INTO t VALUES (?)");
            insert["stmt"]["args"] = json!([argument]);
            let argument = wire.pipeline(json!([insert, { "type": "close" }])).await?;
            let verdict = match verdict_of(&six).as_str() {
                "ok" => Verdict::AsDocumented,
                _ => Verdict::Undocumented,
            };
            let finding = format!(
                "4 MB: {}, 6 MB: {}, 6 MB as an argument: {}",
                verdict_of(&four),
                verdict_of(&six),
                verdict_of(&argument)
            );
            Ok(Observation::new(verdict, finding).answered("6 MB", &six))
        }),
    },
    Probe {
        id: "sql-infinity-becomes-null",
        claim: "A floating-point value arrives as it is stored",
        source: "docs/HRANA_3_SPEC, Value: `float` (new)",
        area: Area::HttpAndSql,
        why: "An infinity is read as something other than a number, or crashes the client",
        mitigation: "Store no infinities",
        how: "SELECT 1e400 in a pipeline",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let answer = own(context).await?.execute("SELECT 1e400").await?;
            let cell = result(&answer, 0)["response"]["result"]["rows"][0][0].clone();
            let value = cell.get("value").unwrap_or(&Value::Null);
            let verdict = if value.is_null() { Verdict::Differs } else { Verdict::AsDocumented };
            let finding = format!("1e400 arrives as {cell}");
            Ok(Observation::new(verdict, finding).answered("SELECT 1e400", &answer))
        }),
    },
    Probe {
        id: "sql-big-integers-exact",
        claim: "Integers beyond 2^53 arrive exactly",
        source: "docs/HRANA_3_SPEC, Value: \"integer\" is a string (new)",
        area: Area::HttpAndSql,
        why: "JavaScript's numbers lose the last digits",
        mitigation: "Use /v3/pipeline, and read integers as text",
        how: "SELECT 9007199254740993 by a pipeline and by `POST /`",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const BIG: &str = "9007199254740993";
            let wire = own(context).await?;
            let sql = format!("SELECT {BIG}");
            let pipeline = wire.execute(&sql).await?;
            let batch = wire.batch(&[&sql]).await?;
            let exact = scalar(&pipeline).as_deref() == Some(BIG);
            let number = batch.body.contains(&format!("[{BIG}]"));
            let word = if number { "a JSON number" } else { "something else" };
            let finding = format!(
                "a pipeline sends {}, POST / sends {word}",
                if exact { "exact text" } else { "another value" }
            );
            let verdict = if exact { Verdict::AsDocumented } else { Verdict::Differs };
            Ok(Observation::new(verdict, finding).answered("POST /", &batch))
        }),
    },
];

/// A wire to a namespace of its own.
async fn own(context: &ProbeContext<'_>) -> Result<Wire> {
    let stack = context.namespaced().await?;
    let name = context.namespace(&stack, "sql").await?;
    Ok(Wire::new(&stack, "primary")?.namespace(&name))
}

/// Which of `statements` fail: "A (CODE), B (CODE)"; each with its answer.
async fn failing(wire: &Wire, statements: &[&str]) -> Result<(Vec<String>, Observation)> {
    let mut failed = Vec::new();
    let mut seen = Observation::new(Verdict::AsDocumented, "");
    for sql in statements {
        let answer = wire.execute(sql).await?;
        let outcome = verdict_of(&answer);
        if outcome != "ok" {
            failed.push(format!("{sql} ({outcome})"));
        }
        seen = seen.saw(sql, outcome);
    }
    Ok((failed, seen))
}

/// All of `statements` should run; the finding names the ones that do not.
async fn all_run(context: &ProbeContext<'_>, statements: &[&str]) -> Result<Observation> {
    let (failed, mut seen) = failing(&own(context).await?, statements).await?;
    if failed.is_empty() {
        "every one runs".clone_into(&mut seen.finding);
    } else {
        seen.verdict = Verdict::Differs;
        seen.finding = format!("refused: {}", failed.join(", "));
    }
    Ok(seen)
}
