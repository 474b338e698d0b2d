//! Decides whether it is certain that a statement only reads.
//!
//! It uses the tokens of the server's own scanner (`libsql-sqlite3-parser`, the version
//! that sqld 0.24.32 and the libsql crate use), so that both agree where a string or a
//! comment ends. It does not use the parser, which builds a tree as deep as the statement
//! is long: dropping one made of a megabyte of `+1` ends the process.

use libsql_sqlite3_parser::dialect::TokenType;
use libsql_sqlite3_parser::lexer::Scanner;
use libsql_sqlite3_parser::lexer::sql::Tokenizer;

/// Functions that depend on what the connection did before, or that load code. They give
/// a different result on a replica.
const NOT_AT_A_REPLICA: [&str; 5] =
    ["last_insert_rowid", "changes", "total_changes", "load_extension", "fts3_tokenizer"];
/// The prefix of pragmas as tables, some of which depend on the connection or the file.
const PRAGMA_TABLE: &str = "pragma_";

/// True for a single `SELECT`, `VALUES`, or `WITH` without a writing verb that uses no
/// function of [`NOT_AT_A_REPLICA`]. False for everything else, including SQL that cannot
/// be read: false only costs a request to the primary.
///
/// `EXPLAIN` is false, since a replica forwards it to the primary.
pub fn only_reads(sql: &str) -> bool {
    let input = sql.as_bytes();
    let mut scanner = Scanner::new(Tokenizer::new());
    let mut before: Option<TokenType> = None;
    let mut replaces = false;
    let mut over = false;
    loop {
        let Ok((_, token, _)) = scanner.scan(input) else { return false };
        let Some((text, kind)) = token else { break };
        if kind == TokenType::TK_SEMI {
            // SQL with a semicolon before the first word goes to the primary as well.
            over = true;
        } else if over {
            return false;
        }
        if before.is_none() && !begins_a_read(kind) {
            return false;
        }
        // `replace(x, y, z)` is a function.
        if replaces && kind != TokenType::TK_LP {
            return false;
        }
        replaces = kind == TokenType::TK_REPLACE;
        let denied = match kind {
            TokenType::TK_INSERT
            | TokenType::TK_UPDATE
            | TokenType::TK_DELETE
            | TokenType::TK_INTO
            | TokenType::TK_PRAGMA => true,
            TokenType::TK_ID | TokenType::TK_STRING => is_denied(text),
            _ => false,
        };
        if denied {
            return false;
        }
        before = Some(kind);
    }
    before.is_some() && !replaces
}

fn begins_a_read(kind: TokenType) -> bool {
    matches!(kind, TokenType::TK_SELECT | TokenType::TK_VALUES | TokenType::TK_WITH)
}

/// Whether `text`, a name with or without quotes, is not allowed. A string may be a name too.
fn is_denied(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return true };
    let name = text.trim_matches(['"', '`', '\'', '[', ']']).to_ascii_lowercase();
    name.starts_with(PRAGMA_TABLE) || NOT_AT_A_REPLICA.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_reads_are_reads() {
        for sql in [
            "SELECT 1",
            "select * from t where x = 'INSERT INTO t'; ",
            "  -- a word first\n /* INSERT */ SELECT \"delete\" FROM [update]",
            "VALUES (1), (2);",
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
            "SELECT replace(x, 'a', 'b') FROM t WHERE y = ?1 AND z = :name",
            "SELECT random(), datetime('now'), x'00ff'",
            "SELECT 'it''s; DELETE FROM t'",
            "WITH a AS (SELECT replace (x, 1, 2) FROM t) VALUES (1)",
        ] {
            assert!(only_reads(sql), "{sql}");
        }
    }

    #[test]
    fn everything_else_goes_to_the_primary() {
        for sql in [
            "",
            ";",
            ";SELECT 1",
            "-- only a comment",
            "INSERT INTO t VALUES (1)",
            "/* SELECT */ DELETE FROM t",
            "-- SELECT\nUPDATE t SET x = 1",
            "REPLACE INTO t VALUES (1)",
            "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
            "WITH a AS (SELECT 1) DELETE FROM t",
            "WITH a AS (SELECT 1) UPDATE t SET x = 2",
            "WITH a AS (SELECT 1) REPLACE INTO t SELECT * FROM a",
            "WITH a AS (SELECT 1) REPLACE",
            "SELECT 1; DELETE FROM t",
            "SELECT 1;; SELECT 2",
            "SELECT last_insert_rowid()",
            "SELECT Last_Insert_RowID ( )",
            "SELECT \"changes\"()",
            "SELECT [total_changes]()",
            "SELECT `changes`()",
            "SELECT * FROM pragma_table_info('t')",
            "SELECT * FROM 'pragma_database_list'",
            "PRAGMA table_info(t)",
            "EXPLAIN SELECT 1",
            "EXPLAIN QUERY PLAN SELECT 1",
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "SAVEPOINT a",
            "ATTACH 'x' AS y",
            "CREATE TABLE t (x)",
            "ANALYZE",
            "VACUUM",
            "SELECT 'open",
            "SELECT /* open",
            "SELECT [open",
            "SELECT \"open",
            "SELECT 1 \u{0} DELETE FROM t",
            "(SELECT 1)",
        ] {
            assert!(!only_reads(sql), "{sql}");
        }
    }

    /// White space or a comment, as it may be between two words.
    fn between() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(" ".to_owned()),
            Just("\n\t".to_owned()),
            "[a-zA-Z' ;\"]{0,12}".prop_map(|text| format!(" --{text}\n")),
            "[a-zA-Z' ;\"]{0,12}".prop_map(|text| format!(" /*{text}*/ ")),
        ]
    }

    /// A literal or a quoted name, with any text in it.
    fn quoted() -> impl Strategy<Value = String> {
        let text = "[a-z ;()*/-]{0,12}|INSERT INTO t|DELETE FROM t; |it''s|\\-\\-|/\\*";
        (prop_oneof![Just('\''), Just('"'), Just('`')], text).prop_map(|(quote, text)| {
            let doubled = quote.to_string().repeat(2);
            let text = text.replace("''", "'").replace(quote, &doubled);
            format!("{quote}{text}{quote}")
        })
    }

    fn spelled(word: &'static str) -> impl Strategy<Value = String> {
        proptest::collection::vec(any::<bool>(), word.len()).prop_map(move |upper| {
            let letters = word.chars().zip(upper);
            letters.map(|(c, up)| if up { c.to_ascii_uppercase() } else { c }).collect()
        })
    }

    proptest! {
        #[test]
        fn a_write_is_never_taken_for_a_read(
            verb in prop_oneof![
                spelled("insert"), spelled("update"), spelled("delete"), spelled("replace"),
                spelled("create"), spelled("drop"), spelled("alter"), spelled("begin"),
                spelled("commit"), spelled("pragma"), spelled("attach"), spelled("vacuum"),
            ],
            lead in between(),
            gap in between(),
            noise in quoted(),
            prefix in prop_oneof![
                Just(String::new()),
                quoted().prop_map(|text| format!("SELECT {text};")),
                between().prop_map(|gap| format!("SELECT 1{gap};")),
                between().prop_map(|gap| format!("VALUES (1){gap};")),
            ],
        ) {
            let sql = format!("{prefix}{lead}{verb}{gap}INTO t VALUES ({noise})");
            prop_assert!(!only_reads(&sql), "{}", sql);
        }

        #[test]
        fn a_write_after_a_with_is_found(
            verb in prop_oneof![spelled("insert"), spelled("replace")],
            gap in between(),
            noise in quoted(),
        ) {
            let sql = format!("WITH a AS (SELECT {noise}){gap}{verb}{gap}INTO t SELECT * FROM a");
            prop_assert!(!only_reads(&sql), "{}", sql);
        }

        #[test]
        fn words_in_quotes_and_comments_do_not_matter(gap in between(), text in quoted()) {
            let sql = format!("{gap}SELECT{gap}{text}{gap}AS c{gap}");
            prop_assert!(only_reads(&sql), "{}", sql);
        }

        #[test]
        fn any_text_is_judged(sql in "\\PC{0,200}") {
            only_reads(&sql);
        }
    }
}
