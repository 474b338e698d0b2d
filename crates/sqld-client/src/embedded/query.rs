//! Runs SQL on the file of a replica.

use std::path::Path;

use libsql::{Builder, Connection, OpenFlags, Rows, Value as Theirs};

use crate::Client;
use crate::failure::explain;
use crate::sql::{Table, Value};
use demo_base::error::Result;

/// `SQLite`'s code for a write to a read-only database.
const READ_ONLY: i32 = 8;

/// The result of SQL that was run on the copy.
#[derive(Debug)]
pub enum Outcome {
    /// The SQL only reads; these are its rows.
    Table(Table),
    /// The SQL writes, so none of it was run.
    Writes,
}

impl Outcome {
    /// The first value, if it is an integer.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Table(table) => match table.rows.first()?.first()? {
                Value::Integer(integer) => Some(*integer),
                _ => None,
            },
            Self::Writes => None,
        }
    }
}

impl Client {
    /// Runs SQL on the file of a replica and returns the rows of a single statement. Several
    /// statements run as a script that stops at the first error and returns no rows.
    ///
    /// # Errors
    /// Exit 1 as `SQLite` says.
    pub async fn look(&self, text: &str) -> Result<Outcome> {
        match table(self.connection(), text).await {
            Ok(table) => Ok(Outcome::Table(table)),
            Err(libsql::Error::SqliteFailure(code, _)) if code & 0xff == READ_ONLY => {
                Ok(Outcome::Writes)
            }
            Err(error) => Err(explain(&error, self.endpoint()).into()),
        }
    }
}

async fn table(connection: &Connection, text: &str) -> libsql::Result<Table> {
    let mut results = connection.execute_batch(text).await?;
    let mut statements = Vec::new();
    while let Some(rows) = results.next_stmt_row() {
        statements.push(rows);
    }
    match (statements.pop(), statements.is_empty()) {
        (Some(Some(rows)), true) => collect(rows).await,
        // A statement without rows still has columns.
        (Some(None), true) => collect(connection.query(text, ()).await?).await,
        _ => Ok(Table::default()),
    }
}

async fn collect(mut rows: Rows) -> libsql::Result<Table> {
    let count = rows.column_count();
    let name = |index| rows.column_name(index).unwrap_or_default().to_owned();
    let mut table = Table { columns: (0..count).map(name).collect(), rows: Vec::new() };
    while let Some(row) = rows.next().await? {
        let values = (0..count).map(|index| row.get_value(index).map(value));
        table.rows.push(values.collect::<libsql::Result<_>>()?);
    }
    Ok(table)
}

fn value(theirs: Theirs) -> Value {
    match theirs {
        Theirs::Null => Value::Null,
        Theirs::Integer(integer) => Value::Integer(integer),
        Theirs::Real(real) => Value::Real(real),
        Theirs::Text(text) => Value::Text(text),
        Theirs::Blob(bytes) => Value::Blob(bytes),
    }
}

/// Whether `SQLite` finds nothing wrong with the file.
pub(super) async fn is_sound(file: &Path) -> bool {
    let check = async {
        let builder = Builder::new_local(file).flags(OpenFlags::SQLITE_OPEN_READ_ONLY);
        let connection = builder.build().await?.connect()?;
        collect(connection.query("PRAGMA quick_check(1)", ()).await?).await
    };
    let sound = Value::Text("ok".to_owned());
    check.await.is_ok_and(|table| table.rows == [[sound]])
}
