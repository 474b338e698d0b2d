//! SQL that reaches further than the token, or than the database.

use std::time::{Duration, Instant};

use serde_json::json;

use super::attack_context::{SECRET, Tenants};
use super::sql::inside;
use crate::entries::embedded::support::run;
use crate::entries::http_api::wire::{execute, scalar, verdict_of};
use crate::entries::sql::reach::{BYTE_ORDER_MARK, INDEXED, READING_TABLE, optimized};
use crate::gate_audit::{Attack, Attempt};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "sql-byte-order-mark-is-space",
        how: "SELECT of readfile(), writefile() and fsdir() behind U+FEFF",
        run: &Attack::run(async |context, target| {
            let Tenants { own, other } = context.tenants().await?;
            let (folder, _) = inside(context, &own).await?;
            let wire = context.wire(target)?.token(Some(context.reader(&own)?)).namespace(&own);
            let path = format!("{folder}/{own}/written-behind-a-mark");
            let mark = BYTE_ORDER_MARK;
            let read = format!(
                "SELECT instr({mark}readfile('{folder}/{other}/data-wal'), CAST('{SECRET}' AS \
                 BLOB)) > 0"
            );
            let read = wire.execute(&read).await?;
            let write = wire.execute(&format!("SELECT {mark}writefile('{path}', 'x')")).await?;
            let there = format!("SELECT CAST(readfile('{path}') AS TEXT) = 'x'");
            let there = context.inside(&own)?.execute(&there).await?;
            let list = format!(
                "SELECT count(*) > 0 FROM {mark}fsdir('{folder}') WHERE name LIKE '%{other}'"
            );
            let list = wire.execute(&list).await?;
            let tries = [
                ("readfile()".to_owned(), scalar(&read).as_deref() == Some("1")),
                ("writefile()".to_owned(), there.scalar() == Some("1")),
                ("fsdir()".to_owned(), scalar(&list).as_deref() == Some("1")),
            ];
            let saw = format!("{} {}", write.status, write.body);
            Ok(Attempt::several(target, &tries, saw))
        }),
    },
    Attack {
        id: "sql-optimize-writes-for-reader",
        how: "SELECT * FROM pragma_optimize(0x10002) with a read-only token",
        run: &Attack::run(async |context, target| {
            let Tenants { own, .. } = context.tenants().await?;
            for sql in INDEXED {
                run(&context.inside(&own)?, sql).await?;
            }
            let wire = context.wire(target)?.token(Some(context.reader(&own)?)).namespace(&own);
            let answer = wire.pipeline(optimized()).await?;
            let there = context.inside(&own)?.execute("SELECT count(*) FROM sqlite_stat1").await?;
            Ok(Attempt::new(there.succeeded(), format!("{} {}", answer.status, answer.body)))
        }),
    },
    Attack {
        id: "sql-reader-locks-writers",
        how: "BEGIN IMMEDIATE, then BEGIN EXCLUSIVE, with a read-only token",
        run: &Attack::run(async |context, target| {
            let mut tries = Vec::new();
            let mut saw = String::new();
            for sql in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
                let Tenants { own, .. } = context.tenants().await?;
                let wire = context.wire(target)?.token(Some(context.reader(&own)?)).namespace(&own);
                let begun = wire.pipeline(json!([execute(sql)])).await?;
                let since = Instant::now();
                let write =
                    context.inside(&own)?.execute("INSERT INTO t VALUES ('writer')").await?;
                let waited = since.elapsed();
                tries.push((sql.to_owned(), waited > LONG));
                saw = format!(
                    "{} {}; a writer was answered {} after {:.1} s",
                    begun.status,
                    verdict_of(&begun),
                    write.status,
                    waited.as_secs_f64()
                );
            }
            Ok(Attempt::several(target, &tries, saw))
        }),
    },
    Attack {
        id: "sql-text-runs-as-sql",
        how: "SELECT sha3_query() of a text that calls writefile(), with a read-only token",
        run: &Attack::run(async |context, target| {
            let Tenants { own, .. } = context.tenants().await?;
            let (folder, _) = inside(context, &own).await?;
            let path = format!("{folder}/{own}/written-by-a-text");
            let sql = format!("SELECT sha3_query('SELECT write' || 'file(''{path}'', ''x'')')");
            let wire = context.wire(target)?.token(Some(context.reader(&own)?)).namespace(&own);
            let answer = wire.execute(&sql).await?;
            let there = format!("SELECT CAST(readfile('{path}') AS TEXT) = 'x'");
            let there = context.inside(&own)?.execute(&there).await?;
            Ok(Attempt::new(
                there.scalar() == Some("1"),
                format!("{} {}", answer.status, answer.body),
            ))
        }),
    },
    Attack {
        id: "sql-table-arguments-run",
        how: "CREATE VIRTUAL TABLE … USING fts4 (x, compress=trim, uncompress=readfile)",
        run: &Attack::run(async |context, target| {
            let Tenants { own, other } = context.tenants().await?;
            let (folder, token) = inside(context, &own).await?;
            let wire = context.wire(target)?.token(Some(token)).namespace(&own);
            let made = wire.execute(READING_TABLE).await?;
            wire.execute(&format!("INSERT INTO reading VALUES ('{folder}/{other}/data-wal')"))
                .await?;
            let sql = format!("SELECT instr(x, CAST('{SECRET}' AS BLOB)) > 0 FROM reading");
            let answer = wire.execute(&sql).await?;
            let got_in = scalar(&answer).as_deref() == Some("1");
            Ok(Attempt::new(got_in, format!("{} {}", made.status, made.body)))
        }),
    },
    Attack {
        id: "sql-writes-raw-pages",
        how: "UPDATE sqlite_dbpage with a read-write token, and SELECT from it",
        run: &Attack::run(async |context, target| {
            let Tenants { own, .. } = context.tenants().await?;
            let wire = context.wire(target)?.token(Some(context.token(&own)?)).namespace(&own);
            let read =
                wire.execute("SELECT length(data) FROM sqlite_dbpage WHERE pgno = 1").await?;
            // Nothing is harmed: the page stays what it is.
            let update =
                wire.execute("UPDATE sqlite_dbpage SET data = data WHERE pgno = 1").await?;
            let tries = [
                ("SELECT".to_owned(), verdict_of(&read) == "ok"),
                ("UPDATE".to_owned(), verdict_of(&update) == "ok"),
            ];
            Ok(Attempt::several(target, &tries, format!("{} {}", update.status, update.body)))
        }),
    },
    Attack {
        id: "sql-capability-inventory",
        how: "SELECT from carray, lsmode(), sqlite3mc_config(), sqlite_crypt(), sqlite_log() and \
              fts3_tokenizer()",
        run: &Attack::run(async |context, target| {
            let Tenants { own, .. } = context.tenants().await?;
            let wire = context.wire(target)?.token(Some(context.reader(&own)?)).namespace(&own);
            let mut tries = Vec::new();
            let mut saw = String::new();
            for sql in [
                "SELECT count(*) FROM carray(4096, 1)",
                "SELECT lsmode(33188)",
                "SELECT sqlite3mc_config('hmac_check', 1)",
                "SELECT sqlite_crypt('a', 'b')",
                "SELECT sqlite_log(1, 'a line in the log of the server')",
                "SELECT fts3_tokenizer('simple')",
            ] {
                let answer = wire.execute(sql).await?;
                tries.push((sql.to_owned(), verdict_of(&answer) == "ok"));
                saw = format!("{} {}", answer.status, answer.body);
            }
            Ok(Attempt::several(target, &tries, saw))
        }),
    },
];

/// Longer than a write takes that does not have to wait.
const LONG: Duration = Duration::from_secs(1);
