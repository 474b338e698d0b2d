use proptest::prelude::*;

use super::{Refusal, judge};

fn reader(sql: &str) -> Result<u32, Refusal> {
    judge(sql.as_bytes(), false)
}

fn writer(sql: &str) -> Result<u32, Refusal> {
    judge(sql.as_bytes(), true)
}

#[test]
fn sql_of_ordinary_applications_passes() {
    for sql in [
        "SELECT 1",
        "select * from t where x = 'readfile' and y in ('fsdir', \"z\")",
        "SELECT 'readfile(1)', 'it''s fsdir', x'00ff' -- readfile('x')\n /* readfile('y') */",
        "INSERT INTO users (id, name) VALUES (?1, :name), (@a, $b) ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id",
        "INSERT OR REPLACE INTO \"Größe\" (\"a b\") VALUES (1)",
        "INSERT INTO main.users AS u (id) SELECT max(id) + 1 FROM users",
        "CREATE TABLE IF NOT EXISTS \"posts\" (\"id\" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, `t` varchar(255) DEFAULT ('x'), d DECIMAL(10, 2) CHECK (d > 0), e F32_BLOB(3), CONSTRAINT fk FOREIGN KEY (author) REFERENCES authors (id) ON DELETE CASCADE, UNIQUE (a, b)) STRICT, WITHOUT ROWID",
        "CREATE TABLE x (a DOUBLE PRECISION(3), 'b' CHARACTER VARYING(20), c AS (a * 2) STORED, g INT GENERATED ALWAYS AS (a))",
        "CREATE UNIQUE INDEX IF NOT EXISTS \"i\" ON \"t\" (\"a\", lower(b)) WHERE c IS NOT NULL",
        "CREATE INDEX v ON movies (libsql_vector_idx(embedding, 'metric=cosine'))",
        "SELECT title FROM vector_top_k('v', vector('[1,2]'), 3) JOIN movies ON movies.rowid = id",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10), m (j, k) AS NOT MATERIALIZED (SELECT i, i FROM n), o AS (SELECT 1) SELECT max(i) FROM n, m, o",
        "SELECT count(*) FILTER (WHERE x), row_number() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t WINDOW w AS (ORDER BY a)",
        "SELECT a.x, json_extract(b.y, '$.z') FROM t a, json_each(a.list) AS b LEFT JOIN u USING (id) WHERE EXISTS (SELECT 1) AND a.x NOT IN (1, 2) GROUP BY a.x HAVING count(*) > 1 ORDER BY 1 LIMIT 5 OFFSET (2)",
        "SELECT * FROM json_each('[1]'), generate_series(1, 3), pragma_table_info('t') p",
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        "SELECT CASE WHEN a THEN (1) ELSE (2) END, CAST(x AS DECIMAL(10, 5)), NOT (x), x BETWEEN (1) AND (2), x LIKE '%a' ESCAPE '\\' FROM t",
        "PRAGMA table_info(\"t\")",
        "PRAGMA main.foreign_key_list('t')",
        "pragma user_version;",
        "PRAGMA foreign_keys",
        "EXPLAIN QUERY PLAN SELECT * FROM t",
        "BEGIN; SELECT 1; COMMIT",
        "BEGIN DEFERRED TRANSACTION",
        "BEGIN TRANSACTION READONLY",
        "SAVEPOINT a; RELEASE a",
        "DROP TABLE IF EXISTS t; ALTER TABLE u ADD COLUMN c VARCHAR(10) NOT NULL DEFAULT ''; ALTER TABLE u RENAME COLUMN a TO b",
        "CREATE VIEW v (a, b) AS SELECT 1, abs(2)",
        "CREATE TRIGGER r AFTER UPDATE OF a ON t FOR EACH ROW WHEN (new.a > 1) BEGIN UPDATE t SET (a, b) = (1, 2) WHERE id = new.id; SELECT RAISE(ABORT, 'no'); END",
        "UPDATE t SET a = a || ? FROM u WHERE t.id = u.id",
        "DELETE FROM t WHERE id IN (SELECT id FROM u)",
        "SELECT highlight(f, 0, '<b>', '</b>') FROM f WHERE f MATCH ? ORDER BY rank",
        "SELECT 1 IS DISTINCT FROM 2",
        "SELECT \"key\", value, type, \"end\", row FROM t",
        "VALUES (1), (2)",
        "SELECT date('now'), strftime('%s', 'now'), x->>'a', x -> 'b' FROM t",
        "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'",
        "CREATE TABLE t (at datetime(3), u char(36), j json, ti time(6))",
        "",
        " ; ;",
    ] {
        let judged = reader(sql);
        assert!(judged.is_ok(), "{sql}: {judged:?}");
    }
    for sql in [
        "BEGIN IMMEDIATE",
        "BEGIN EXCLUSIVE TRANSACTION",
        "CREATE VIRTUAL TABLE f USING fts5(title, body, content='posts', tokenize = 'porter unicode61')",
        "CREATE VIRTUAL TABLE IF NOT EXISTS main.\"f\" USING \"fts4\" (x, order=desc)",
        "CREATE VIRTUAL TABLE r USING rtree(id, a, b)",
        "INSERT INTO fts5 (x) VALUES (1)",
        "PRAGMA user_version = 7",
        "PRAGMA defer_foreign_keys = ON",
        "PRAGMA foreign_keys=OFF",
        "ANALYZE",
    ] {
        let judged = writer(sql);
        assert!(judged.is_ok(), "{sql}: {judged:?}");
    }
}

#[test]
fn sql_that_reaches_beyond_the_database_is_refused() {
    for sql in [
        "SELECT readfile('x')",
        "SELECT \u{feff}readfile('x')",
        "SELECT readfile\u{feff}('x')",
        "SELECT \"\u{feff}readfile\"('x')",
        "SELECT ReadFile /**/ -- x\n ('x')",
        "SELECT \"readfile\"('x'), 1",
        "SELECT [readfile] ('x')",
        "SELECT `writefile`('x', 'y')",
        "SELECT 1 WHERE é readfile('x')",
        "SELECT * FROM fsdir('/')",
        "SELECT * FROM fsdir WHERE path = '/'",
        "SELECT * FROM 'fsdir'('/')",
        "SELECT * FROM t, 'fsdir'",
        "SELECT * FROM t JOIN ('fsdir')",
        "SELECT * FROM main.'fsdir'",
        "SELECT * FROM main . fsdir ( '/')",
        "UPDATE sqlite_dbpage SET data = x'00'",
        "UPDATE 'sqlite_dbpage' SET data = x'00'",
        "INSERT INTO \"sqlite_dbpage\" VALUES (1)",
        "SELECT sha3_query('SELECT 1')",
        "SELECT lsmode(1), 2",
        "SELECT * FROM carray(1, 2)",
        "SELECT sqlite3mc_config('cipher')",
        "SELECT replicate('a', 3000000000)",
        "SELECT padl('a', 3000000000)",
        "SELECT 'a' REGEXP '('",
        "SELECT regexp('(', 'a')",
        "SELECT unheard_of(1)",
        "SELECT * FROM unheard_of(1)",
        "SELECT 1, unheard_of(1)",
        "SELECT 1, unheard_of(1) AS x",
        "PRAGMA database_list",
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM PRAGMA_DATABASE_LIST()",
        "SELECT * FROM pragma_unheard_of",
        "PRAGMA unheard_of",
        "PRAGMA writable_schema = 1",
        "PRAGMA main.writable_schema(1)",
        "EXPLAIN PRAGMA writable_schema = 1",
        "VACUUM INTO '/tmp/x'",
        "EXPLAIN VACUUM INTO 'x'",
        "SELECT 1; VACUUM",
        "CREATE VIRTUAL TABLE f USING fts5(x, content='fsdir')",
        "CREATE VIRTUAL TABLE f USING fts5(x, content='\u{feff}fsdir')",
        "CREATE VIRTUAL TABLE f USING fts5(x, content=[fsdir])",
        "CREATE VIRTUAL TABLE f USING fts4(x, uncompress=readfile)",
        "CREATE VIRTUAL TABLE f USING fts4(x; uncompress=readfile)",
        "CREATE VIRTUAL TABLE f USING fts4(x, uncompress='; readfile')",
        "CREATE VIRTUAL TABLE f USING sqlite_dbpage",
        "CREATE VIRTUAL TABLE f USING unheard_of(x)",
        "CREATE VIEW v AS SELECT readfile('x')",
        "CREATE TABLE t (x DEFAULT (readfile('x')))",
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; SELECT readfile('x'); END",
        "CREATE INDEX i ON t (readfile(x))",
        "INSERT INTO t SELECT 1 . readfile('x')",
        "SELECT 'a",
        "SELECT \"a",
        "SELECT [a",
        "SELECT 1 /* x",
        "SELECT 'a\0b'",
        "SELECT 1\0",
        "SELECT load_extension('x')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT sqlite_log(1, 'x')",
        "SELECT libsql_vector_idx()",
        "SELECT libsql_vector_idx(*)",
        "SELECT libsql_vector_idx(DISTINCT)",
        "SELECT libsql_vector_idx /**/ ( -- \n )",
        "SELECT \"libsql_vector_idx\"(ORDER BY 1)",
        "SELECT x readfile('a')",
        "SELECT x AS readfile('a')",
        "SELECT 1 OFFSET readfile('x')",
    ] {
        assert!(writer(sql).is_err(), "{sql}");
        assert!(reader(sql).is_err(), "{sql}");
    }
}

#[test]
fn writes_and_locks_are_refused_for_readers() {
    for sql in [
        "BEGIN IMMEDIATE",
        "begin/**/exclusive transaction",
        "SELECT * FROM pragma_optimize(0x10002)",
        "SELECT * FROM pragma_optimize WHERE arg = 0x10002",
        "SELECT * FROM 'pragma_optimize'",
        "PRAGMA optimize",
        "PRAGMA user_version = 7",
        "PRAGMA user_version(7)",
        "SELECT optimize(f) FROM f",
        "CREATE VIRTUAL TABLE f USING fts5(x)",
    ] {
        assert!(writer(sql).is_ok(), "{sql}: {:?}", writer(sql));
        assert!(reader(sql).is_err(), "{sql}");
    }
}

#[test]
fn chains_and_depth_are_bounded_and_long_lists_are_not() {
    for operator in [
        "+1",
        "||'a'",
        " and 1",
        " is null",
        " collate nocase",
        "->'a'",
        " or x=1",
        " is distinct from 1",
        " in (1)",
        " between 1 and 1",
        " like 'a'",
        "<1",
    ] {
        let sql = |times| format!("SELECT x{} FROM t", operator.repeat(times));
        assert_eq!(reader(&sql(20_000)), Err(Refusal::TooDeep), "{operator}");
        assert!(reader(&sql(1_000)).is_ok(), "{operator}");
    }
    let nested = format!("SELECT {}1{}", "(1+".repeat(5_000), ")".repeat(5_000));
    assert_eq!(reader(&nested), Err(Refusal::TooDeep));
    let case =
        format!("SELECT {}1{}", "CASE WHEN end THEN a+a+a+".repeat(5_000), " END".repeat(5_000));
    assert_eq!(reader(&case), Err(Refusal::TooDeep));
    for list in [
        format!("INSERT INTO t VALUES (-1, 1 + 1){}", ", (-1, 1 + 1)".repeat(100_000)),
        format!("SELECT 1 IN (1{})", ", -1".repeat(100_000)),
        "SELECT 1 + 1;".repeat(50_000),
        format!("SELECT CASE x{} END", " WHEN 1 THEN 2".repeat(50_000)),
        format!("SELECT 1{}", " UNION ALL SELECT 1 + 1".repeat(10_000)),
    ] {
        assert!(reader(&list).is_ok(), "{}", &list[..60]);
    }
}

#[test]
fn statements_are_counted() {
    for (sql, statements) in [
        ("", 0),
        (";;", 0),
        ("-- x", 0),
        ("SELECT 1", 1),
        ("SELECT 1; SELECT 2;", 2),
        ("EXPLAIN QUERY PLAN SELECT 1", 1),
        ("(1)", 1),
    ] {
        assert_eq!(reader(sql), Ok(statements), "{sql}");
    }
}

#[test]
fn a_refusal_names_what_it_is_about() {
    let said = |sql| reader(sql).unwrap_err().to_string();
    assert!(said("SELECT ReadFile('x')").contains("`readfile`"));
    assert!(said("SELECT nope(1)").contains("`nope`"));
    assert!(said("PRAGMA optimize").contains("`optimize`"));
    assert!(said("SELECT \u{feff}1").contains("U+FEFF"));
    assert!(said("BEGIN IMMEDIATE").contains("BEGIN IMMEDIATE"));
}

proptest! {
    #[test]
    fn anything_is_judged(sql in proptest::collection::vec(any::<u8>(), 0..200), may_write in any::<bool>()) {
        let _ = judge(&sql, may_write);
    }

    #[test]
    fn a_writer_may_do_everything_that_a_reader_may(sql in "[a-z_'\"(),.;= ]{0,80}") {
        if reader(&sql).is_ok() {
            prop_assert!(writer(&sql).is_ok());
        }
    }

    /// Any text around the call that does not quote it must not hide it.
    #[test]
    fn a_forbidden_call_is_found_among_noise(
        before in "[^'\"`\\[\\-/]{0,20}", between in "[^a-zA-Z0-9_'\"`\\[\\-/().,;+*%<>=!&|~?$@:#]{0,10}", after in ".{0,20}",
    ) {
        let sql = format!("SELECT {before} readfile{between}({after}");
        prop_assert!(writer(&sql).is_err(), "{}", sql);
    }
}
