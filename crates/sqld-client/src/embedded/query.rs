//! Runs SQL on the file of a replica.

use std::path::Path;

use libsql::{Builder, Connection, OpenFlags, Rows, Value as Theirs};
use libsql_hrana::proto::Value;

use crate::Client;
use crate::error::Error;
use crate::table::Table;

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
                Value::Integer { value } => Some(*value),
                _ => None,
            },
            Self::Writes => None,
        }
    }
}

impl Client {
    /// Runs SQL on the file of a replica, unless it writes.
    ///
    /// # Errors
    /// As [`Client::run`].
    pub async fn look(&self, sql: &str) -> Result<Outcome, Error> {
        match self.run(sql).await {
            Err(Error::CopyWritten) => Ok(Outcome::Writes),
            table => table.map(Outcome::Table),
        }
    }
}

/// Runs one statement with arguments.
pub async fn query(connection: &Connection, sql: &str, args: Vec<Value>) -> libsql::Result<Table> {
    let args: Vec<Theirs> = args.into_iter().map(theirs).collect();
    collect(connection.query(sql, args).await?).await
}

/// Runs one or several statements; only a single one returns rows.
pub async fn run(connection: &Connection, text: &str) -> libsql::Result<Table> {
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
        Theirs::Integer(value) => Value::Integer { value },
        Theirs::Real(value) => Value::Float { value },
        Theirs::Text(text) => Value::Text { value: text.into() },
        Theirs::Blob(bytes) => Value::Blob { value: bytes.into() },
    }
}

fn theirs(value: Value) -> Theirs {
    match value {
        Value::Null | Value::None => Theirs::Null,
        Value::Integer { value } => Theirs::Integer(value),
        Value::Float { value } => Theirs::Real(value),
        Value::Text { value } => Theirs::Text(value.to_string()),
        Value::Blob { value } => Theirs::Blob(value.to_vec()),
    }
}

/// Whether `SQLite` finds nothing wrong with the file.
pub(super) async fn is_sound(file: &Path) -> bool {
    let check = async {
        let builder = Builder::new_local(file).flags(OpenFlags::SQLITE_OPEN_READ_ONLY);
        let connection = builder.build().await?.connect()?;
        collect(connection.query("PRAGMA quick_check(1)", ()).await?).await
    };
    let ok = |value: &Value| matches!(value, Value::Text { value } if &**value == "ok");
    check.await.is_ok_and(|table| table.rows.iter().flatten().all(ok))
}
