//! A schema that is applied to a namespace once, completely or not at all.
//!
//! All its statements run in one transaction, together with a row that records the schema. A second
//! attempt, or one after a crash, can therefore see in the database itself whether there is
//! anything left to do.

use std::path::Path;

use fallible_iterator::FallibleIterator;
use libsql_sqlite3_parser::ast::{Cmd, Stmt};
use libsql_sqlite3_parser::lexer::sql::Parser;
use sha2::{Digest, Sha256};

use crate::endpoint::Endpoint;
use crate::error::{Error, Said};
use crate::hrana::Hrana;
use demo_base::error::Result;
use demo_base::files;
use demo_base::hex;

/// The table whose only row records which schema was applied.
pub const MARKER: &str = "demo_schema";

/// A schema that can be applied.
#[derive(Clone, Debug)]
pub struct Schema {
    text: String,
    digest: String,
}

/// The result of applying a schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Applied {
    Now,
    Before,
}

impl Schema {
    /// Reads a file of SQL.
    ///
    /// # Errors
    /// When it cannot be read; as [`Schema::parse`].
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Self::parse(files::read_text(path, "schema")?, &path.display().to_string())?)
    }

    /// Checks that `text` can run in one transaction; `place` is its origin, for messages.
    ///
    /// # Errors
    /// [`Error::EmptySchema`], [`Error::NoSql`] or [`Error::TransactionInSchema`].
    pub fn parse(text: String, place: &str) -> Result<Self, Error> {
        let mut parser = Parser::new(text.as_bytes());
        let mut statements = 0_usize;
        loop {
            let command = parser.next().map_err(|error| Error::NoSql {
                place: place.to_owned(),
                source: Said(error.to_string()),
            })?;
            let Some(command) = command else { break };
            statements += 1;
            let (Cmd::Stmt(statement) | Cmd::Explain(statement) | Cmd::ExplainQueryPlan(statement)) =
                command;
            if let Some(word) = transaction(&statement) {
                return Err(Error::TransactionInSchema { place: place.to_owned(), word });
            }
        }
        if statements == 0 {
            return Err(Error::EmptySchema { place: place.to_owned() });
        }
        let digest = hex::encode(&Sha256::digest(&text));
        Ok(Self { text, digest })
    }

    /// Applies the schema to the namespace of `hrana`, unless that was done before.
    ///
    /// # Errors
    /// [`Error::Statement`] when a statement fails, in which case none of them has any effect;
    /// [`Error::OtherSchema`] when another schema was applied before; else as the server answers.
    pub async fn apply(&self, hrana: &Hrana, endpoint: &Endpoint) -> Result<Applied, Error> {
        if self.is_applied(hrana, endpoint).await? {
            return Ok(Applied::Before);
        }
        let reply = hrana.script(&self.script()).await?;
        let Some(error) = reply.error(endpoint) else { return Ok(Applied::Now) };
        // If another client was faster, this transaction fails, but the schema is applied.
        if self.is_applied(hrana, endpoint).await? {
            return Ok(Applied::Before);
        }
        Err(error)
    }

    /// The statements in a transaction that first creates [`MARKER`], and so fails if that exists
    /// already. `demo` and the mint both apply a schema in this way, so that each sees what the
    /// other has done.
    pub fn script(&self) -> String {
        let Self { text, digest } = self;
        // The last statement of the file may end in a comment instead of a semicolon.
        format!(
            "BEGIN IMMEDIATE;\n\
             CREATE TABLE {MARKER} (id INTEGER PRIMARY KEY CHECK (id = 1), digest TEXT NOT NULL, \
             applied_at TEXT NOT NULL);\n\
             INSERT INTO {MARKER} VALUES (1, '{digest}', strftime('%Y-%m-%dT%H:%M:%fZ'));\n\
             {text}\n;\nCOMMIT"
        )
    }

    /// The statements as they were written.
    pub fn text(&self) -> &str {
        &self.text
    }

    async fn is_applied(&self, hrana: &Hrana, endpoint: &Endpoint) -> Result<bool, Error> {
        let reply = hrana.execute(&format!("SELECT digest, applied_at FROM {MARKER}")).await?;
        match (reply.error(endpoint), reply.scalar()) {
            (Some(Error::Statement { missing_table: Some(_), .. }), _) => Ok(false),
            (Some(error), _) => Err(error),
            (None, Some(digest)) if digest == self.digest => Ok(true),
            (None, _) => Err(Error::OtherSchema {
                namespace: endpoint.namespace().map(ToString::to_string).unwrap_or_default(),
                source: Said(format!("its table {MARKER} records it")),
            }),
        }
    }
}

/// Whether a failure of [`Schema::script`] means that a schema was applied before.
pub fn was_applied(message: &str) -> bool {
    message.contains(&format!("{MARKER} already exists"))
}

fn transaction(statement: &Stmt) -> Option<&'static str> {
    match statement {
        Stmt::Begin(..) => Some("BEGIN"),
        Stmt::Commit(_) => Some("COMMIT"),
        Stmt::Rollback { .. } => Some("ROLLBACK"),
        Stmt::Savepoint(_) => Some("SAVEPOINT"),
        Stmt::Release(_) => Some("RELEASE"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Schema::parse(text.to_owned(), "s.sql").unwrap_err().to_string()
    }

    #[test]
    fn a_trigger_s_begin_is_no_transaction() {
        let text = "CREATE TABLE a (x);\n-- commit;\nCREATE TRIGGER t AFTER INSERT ON a BEGIN \
                    UPDATE a SET x = CASE WHEN x THEN 'COMMIT' END; END; -- done";
        assert!(Schema::parse(text.to_owned(), "s.sql").is_ok());
    }

    #[test]
    fn what_cannot_run_as_one_is_refused() {
        for word in ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"] {
            let name = if matches!(word, "SAVEPOINT" | "RELEASE") { " x" } else { "" };
            let text = refusal(&format!("CREATE TABLE a (x); {word}{name}; CREATE TABLE b (x)"));
            assert_eq!(text, format!("s.sql contains the statement {word}"));
        }
        assert_eq!(refusal("COMMIT; create table a(x)"), "s.sql contains the statement COMMIT");
        for text in ["", " \n", "-- nothing\n", ";;"] {
            assert_eq!(refusal(text), "s.sql contains no statement", "{text:?}");
        }
        assert_eq!(refusal("CREATE TABLE a (x"), "s.sql is not SQL that the server accepts");
    }
}
