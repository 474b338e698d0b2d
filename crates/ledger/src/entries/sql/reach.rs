//! SQL that reaches further than the token, or than the database.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::deadly::reader;
use super::files::{MARKER, Tenants};
use crate::entries::http_api::wire::{Wire, execute, result, scalar, verdict_of};
use crate::entries::recovery::fixtures::{ask, create, given};
use crate::{Area, Engines, Error, Observation, Probe, Verdict};
use demo_base::error::Result;
use demo_gate::sql::capabilities::{Class, Entry, entries};

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "sql-byte-order-mark-is-space",
        claim: "A non-ASCII character is always part of a name",
        source: "libsql's lexer, which says so; SQLite's, which skips U+FEFF (new)",
        area: Area::Security,
        why: "A filter that takes U+FEFF for a letter misses the function name after it",
        mitigation: "Refuse U+FEFF outside a text, as `demo gate serve` does",
        how: "SELECT U+FEFF readfile() of another tenant's files, with a read-only token",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let Tenants { victim, wire, folder, .. } = Tenants::new(context, &stack).await?;
            let file =
                |name: &str| format!("{BYTE_ORDER_MARK}readfile('{folder}/{victim}/{name}')");
            let found = |name: &str| {
                format!("coalesce(instr({}, CAST('{MARKER}' AS BLOB)), 0) > 0", file(name))
            };
            let sql = format!("SELECT {} OR {}", found("data-wal"), found("data"));
            let answer = wire.execute(&sql).await?;
            let (verdict, finding) =
                match (verdict_of(&answer).as_str(), scalar(&answer).as_deref()) {
                    ("ok", Some("1")) => (
                        Verdict::Weakness,
                        "readfile() runs behind U+FEFF, which counts as a space".to_owned(),
                    ),
                    (code, _) => {
                        (Verdict::AsDocumented, format!("U+FEFF before a function: {code}"))
                    }
                };
            Ok(Observation::new(verdict, finding)
                .answered("SELECT U+FEFF readfile(…/dbs/OTHER/data-wal) has the marker", &answer))
        }),
    },
    Probe {
        id: "sql-optimize-writes-for-reader",
        claim: "A read-only token changes nothing in the database",
        source: "docs/USER_GUIDE, Client Authentication (new)",
        area: Area::Security,
        why: "A reader can create a table that is replicated and steers the query planner",
        mitigation: "`demo gate serve` allows pragma_optimize only to tokens that may write",
        how: "A read-only token runs a query over an index, then SELECT * FROM \
              pragma_optimize(0x10002); is sqlite_stat1 there?",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "statistics").await?;
            given(&stack, &name, INDEXED).await?;
            let wire = reader(&stack, &name)?;
            let analyze = wire.execute("ANALYZE").await?;
            let answer = wire.pipeline(optimized()).await?;
            let there = ask(&stack, &name, "SELECT count(*) FROM sqlite_stat1").await?;
            let seen = Observation::either(
                there.succeeded(),
                (Verdict::Weakness, "a reader's pragma_optimize(0x10002) writes sqlite_stat1"),
                (Verdict::AsDocumented, "a reader's pragma_optimize(0x10002) writes nothing"),
            );
            Ok(seen
                .answered("ANALYZE, with a token for reading", &analyze)
                .answered("SELECT * FROM pragma_optimize(0x10002), same token", &answer)
                .replied("SELECT count(*) FROM sqlite_stat1", &there))
        }),
    },
    Probe {
        id: "sql-reader-locks-writers",
        claim: "A read-only token does not keep writers waiting",
        source: "docs/USER_GUIDE, Client Authentication (new)",
        area: Area::Security,
        why: "A reader can block all writes of its namespace, for 5 s at a time, again and again",
        mitigation: "`demo gate serve` refuses BEGIN IMMEDIATE to readers; a small txn_timeout_s \
                     also helps",
        how: "With txn_timeout_s 1, a read-only token opens BEGIN IMMEDIATE; how long does an \
              INSERT of another take?",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.name("locked")?;
            let made = create(&stack, &name, &json!({ "txn_timeout_s": 1 })).await?;
            if made.status != 200 {
                return Err(
                    Error::experiment_saw("the namespace was not made", made.excerpt()).into()
                );
            }
            given(&stack, &name, &["CREATE TABLE t (x)"]).await?;
            let wire = reader(&stack, &name)?;
            let refused = wire.execute("INSERT INTO t VALUES ('reader')").await?;
            let begun = wire.pipeline(json!([execute("BEGIN IMMEDIATE")])).await?;
            let since = Instant::now();
            let write = ask(&stack, &name, "INSERT INTO t VALUES ('writer')").await?;
            let waited = since.elapsed();
            let seen = Observation::either(
                waited > Duration::from_millis(700),
                (
                    Verdict::Weakness,
                    "a writer waits until a reader's BEGIN IMMEDIATE has timed out",
                ),
                (Verdict::AsDocumented, "a reader's BEGIN IMMEDIATE keeps no writer waiting"),
            );
            Ok(seen
                .answered("INSERT, with a token for reading", &refused)
                .answered("BEGIN IMMEDIATE, same token", &begun)
                .saw(
                    "INSERT of a writer",
                    format!("{} in {:.1} s", write.describe(), waited.as_secs_f64()),
                ))
        }),
    },
    Probe {
        id: "sql-text-runs-as-sql",
        claim: "A string literal in a statement is only data",
        source: "assumption; sha3_query() of SQLite's shell (new)",
        area: Area::Security,
        why: "A filter that checks the names in a statement does not see those in a string",
        mitigation: "`demo gate serve` refuses the function",
        how: "SELECT sha3_query() of a text that is put together and calls writefile(), with a \
              read-only token; is the file there?",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            // A stack of its own: the file goes with it.
            let stack = context.primary(|_| Ok(())).await?;
            let Tenants { wire, folder, .. } = Tenants::new(context, &stack).await?;
            let path = format!("{folder}/written-by-a-text");
            let sql = format!("SELECT sha3_query('SELECT write' || 'file(''{path}'', ''x'')')");
            let answer = wire.execute(&sql).await?;
            let read = wire.execute(&format!("SELECT CAST(readfile('{path}') AS TEXT)")).await?;
            let there = scalar(&read).as_deref() == Some("x");
            context.discard(&stack).await?;
            let (verdict, finding) = if there {
                (
                    Verdict::Weakness,
                    "sha3_query() runs a text as SQL, writefile() in it too".to_owned(),
                )
            } else {
                (
                    Verdict::AsDocumented,
                    format!("no file after sha3_query(): {}", verdict_of(&answer)),
                )
            };
            Ok(Observation::new(verdict, finding).answered("SELECT sha3_query('…')", &answer))
        }),
    },
    Probe {
        id: "sql-table-arguments-run",
        claim: "The arguments of a virtual table name columns and settings",
        source: "SQLite's documentation, FTS4: compress= and uncompress= (new)",
        area: Area::Security,
        why: "Reading such a table calls a function that is refused in a statement",
        mitigation: "`demo gate serve` looks at every word of the arguments",
        how: "CREATE VIRTUAL TABLE … USING fts4 (x, compress=trim, uncompress=readfile), INSERT of \
              a path of another tenant's, and SELECT x",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let tenants = Tenants::new(context, &stack).await?;
            let Tenants { victim, reader: own, folder, .. } = &tenants;
            let token = stack.token_with(&json!({ "p": { "rw": { "ns": [own] } } }))?;
            let wire = tenants.wire.clone().token(Some(token));
            let made = wire.execute(READING_TABLE).await?;
            for name in ["data-wal", "data"] {
                let path = format!("{folder}/{victim}/{name}");
                wire.execute(&format!("INSERT INTO reading VALUES ('{path}')")).await?;
            }
            let sql = format!("SELECT max(instr(x, CAST('{MARKER}' AS BLOB)) > 0) FROM reading");
            let answer = wire.execute(&sql).await?;
            let (verdict, finding) = match (verdict_of(&made).as_str(), scalar(&answer).as_deref())
            {
                ("ok", Some("1")) => {
                    (Verdict::Weakness, "fts4 with uncompress=readfile shows another tenant's rows")
                }
                ("ok", _) => {
                    (Verdict::Undocumented, "fts4 takes uncompress=readfile and finds nothing")
                }
                _ => (Verdict::AsDocumented, "fts4 with uncompress=readfile is refused"),
            };
            Ok(Observation::new(verdict, finding)
                .answered(READING_TABLE, &made)
                .answered("SELECT x of paths to another tenant's files has the marker", &answer))
        }),
    },
    Probe {
        id: "sql-writes-raw-pages",
        claim: "SQL cannot make a database unreadable",
        source: "SQLite's documentation, sqlite_dbpage; SQLITE_DBCONFIG_DEFENSIVE (new)",
        area: Area::Security,
        why: "One UPDATE with a read-write token can destroy the database and its replicas",
        mitigation: "`demo gate serve` refuses sqlite_dbpage; keep backups",
        how: "UPDATE sqlite_dbpage of one page, with a read-only token and a read-write token, and \
              SELECT afterwards",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let name = context.namespace(&stack, "pages").await?;
            given(&stack, &name, &["CREATE TABLE t (x)", "INSERT INTO t VALUES (1)"]).await?;
            let wire = Wire::new(&stack, "primary")?.namespace(&name);
            let update = "UPDATE sqlite_dbpage SET data = zeroblob(length(data)) WHERE pgno = 2";
            let read = reader(&stack, &name)?.execute(update).await?;
            let written = wire.execute(update).await?;
            let after = wire.execute("SELECT x FROM t").await?;
            context.discard(&stack).await?;
            let finding = format!(
                "UPDATE sqlite_dbpage: {} for a reader, {} for a writer; a SELECT afterwards: {}",
                verdict_of(&read),
                verdict_of(&written),
                verdict_of(&after)
            );
            let broken = verdict_of(&after) != "ok";
            let verdict = if broken { Verdict::Weakness } else { Verdict::AsDocumented };
            Ok(Observation::new(verdict, finding)
                .answered("UPDATE sqlite_dbpage, token for reading", &read)
                .answered("UPDATE sqlite_dbpage, token for writing", &written)
                .answered("SELECT x FROM t", &after))
        }),
    },
    Probe {
        id: "sql-capability-inventory",
        claim: "No function, table or pragma of the server reaches outside the database",
        source: "pragma_function_list, pragma_module_list, pragma_pragma_list (new)",
        area: Area::Security,
        why: "Anything that is not on an allow list may be one more way to files or memory",
        mitigation: "Allow by name, as `demo gate serve` does \
                     (crates/gate/src/sql/capabilities.txt)",
        how: "Counts the server's lists and what capabilities.txt keeps from everybody; calls \
              carray, lsmode and sqlite3mc_config with a read-only token",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "inventory").await?;
            let wire = reader(&stack, &name)?;
            let functions = names(&wire, "SELECT name FROM pragma_function_list").await?;
            // Pragmas become modules when they are first used.
            let modules =
                "SELECT name FROM pragma_module_list WHERE name NOT LIKE 'pragma~_%' ESCAPE '~'";
            let modules = names(&wire, modules).await?;
            let pragmas = names(&wire, "SELECT name FROM pragma_pragma_list").await?;
            let (mut known, mut never) = (BTreeSet::new(), BTreeSet::new());
            for entry in entries() {
                let (name, kept) = match entry {
                    Entry::Function(name, class) => (("function", name), class == Class::Never),
                    Entry::Module(name, class) => (("module", name), class == Class::Never),
                    Entry::Pragma(name, pragma) => (("pragma", name), pragma.asked == Class::Never),
                    Entry::NeedsArguments(_) => continue,
                };
                known.insert(name);
                if kept {
                    never.insert(name);
                }
            }
            let all = [("function", &functions), ("module", &modules), ("pragma", &pragmas)];
            let all: BTreeSet<_> = all
                .iter()
                .flat_map(|(kind, all)| all.iter().map(|name| (*kind, name.as_str())))
                .collect();
            let reaching: Vec<_> = all.intersection(&never).collect();
            let unknown: Vec<_> = all.difference(&known).map(|(_, name)| *name).collect();
            let count = |kind: &str| reaching.iter().filter(|(of, _)| *of == kind).count();
            let unknown = if unknown.is_empty() { "none".to_owned() } else { unknown.join(", ") };
            let finding = format!(
                "{} of {} functions, {} of {} modules and {} of {} pragmas reach beyond the \
                 database or its memory; without a class: {unknown}",
                count("function"),
                functions.len(),
                count("module"),
                modules.len(),
                count("pragma"),
                pragmas.len()
            );
            let verdict =
                if reaching.is_empty() { Verdict::AsDocumented } else { Verdict::Weakness };
            let kept: Vec<_> = reaching.iter().map(|(_, name)| *name).collect();
            let mut seen = Observation::new(verdict, finding).saw("for nobody", kept.join(", "));
            for sql in [
                "SELECT count(*) FROM carray(4096, 1)",
                "SELECT lsmode(33188)",
                "SELECT sqlite3mc_config('cipher')",
                "SELECT sqlite3mc_config('hmac_check', 0)",
            ] {
                let answer = wire.execute(sql).await?;
                let value = scalar(&answer).unwrap_or_else(|| "no value".to_owned());
                seen = seen.saw(sql, format!("{}: {value}", verdict_of(&answer)));
            }
            Ok(seen)
        }),
    },
];

/// `SQLite` skips it between words; libsql's lexer takes it for a letter.
pub(in crate::entries) const BYTE_ORDER_MARK: char = '\u{feff}';

/// A table with an index that a query of [`optimized`] needs.
pub(in crate::entries) const INDEXED: &[&str] = &[
    "CREATE TABLE indexed (x)",
    "CREATE INDEX by_x ON indexed (x)",
    "INSERT INTO indexed SELECT value FROM generate_series(1, 100)",
];

/// The requests that write statistics of [`INDEXED`].
pub(in crate::entries) fn optimized() -> Value {
    // Only tables whose statistics the connection has missed are looked at.
    let query = execute("SELECT x FROM indexed WHERE x = 5");
    let optimize = execute("SELECT * FROM pragma_optimize(0x10002)");
    json!([query, optimize, { "type": "close" }])
}

/// The table that reads the file whose path is put into it.
pub(in crate::entries) const READING_TABLE: &str =
    "CREATE VIRTUAL TABLE reading USING fts4 (x, compress=trim, uncompress=readfile)";

/// The first column of a query.
async fn names(wire: &Wire, sql: &str) -> Result<BTreeSet<String>> {
    let answer = wire.execute(sql).await?;
    let rows = result(&answer, 0)["response"]["result"]["rows"].as_array().cloned();
    let rows = rows.ok_or_else(|| Error::experiment_saw(format!("`{sql}`"), answer.excerpt()))?;
    Ok(rows.iter().filter_map(|row| row[0]["value"].as_str()).map(str::to_owned).collect())
}
