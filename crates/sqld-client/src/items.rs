//! The table `items`, for trying out a server.

use libsql::{Value, params};
use serde::Serialize;

use super::Client;
use demo_base::error::{Fault, Result};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    label TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
)";

/// A row of `items`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Item {
    pub id: i64,
    pub label: String,
    /// RFC 3339, UTC, milliseconds.
    pub created_at: String,
}

impl Client {
    /// Creates the table if it does not exist.
    ///
    /// # Errors
    /// As the server answers; see [`super::explain`].
    pub async fn init(&self) -> Result<()> {
        self.connection.execute(CREATE, ()).await.map_err(|error| self.fault(error))?;
        Ok(())
    }

    /// Adds a row and returns it as the server stored it.
    ///
    /// # Errors
    /// As the server answers; see [`super::explain`].
    pub async fn insert(&self, label: &str) -> Result<Item> {
        let sql = "INSERT INTO items (label) VALUES (?1) RETURNING id, label, created_at";
        let items = match self.items(sql, params![label]).await {
            Ok(items) => items?,
            Err(error) => return Err(self.fault_of_write(error).await),
        };
        let first = items.into_iter().next();
        first.ok_or_else(|| Fault::failed("the server returned no row for the insert").into())
    }

    /// All rows, oldest first.
    ///
    /// # Errors
    /// As the server answers; see [`super::explain`].
    pub async fn read(&self) -> Result<Vec<Item>> {
        let sql = "SELECT id, label, created_at FROM items ORDER BY id";
        self.items(sql, ()).await.map_err(|error| self.fault(error))?
    }

    /// The number of rows.
    ///
    /// # Errors
    /// As the server answers; see [`super::explain`].
    pub async fn count(&self) -> Result<u64> {
        let fault = |error| self.fault(error);
        let mut rows =
            self.connection.query("SELECT count(*) FROM items", ()).await.map_err(fault)?;
        let row = rows.next().await.map_err(fault)?;
        let value = row.map(|row| row.get_value(0)).transpose().map_err(fault)?;
        match value {
            Some(Value::Integer(count)) => Ok(count.unsigned_abs()),
            other => Err(Fault::failed(format!("the server counted {other:?}")).into()),
        }
    }

    async fn items(
        &self,
        sql: &str,
        params: impl libsql::params::IntoParams,
    ) -> Result<Result<Vec<Item>>, libsql::Error> {
        let mut rows = self.connection.query(sql, params).await?;
        let mut items = Vec::new();
        while let Some(row) = rows.next().await? {
            let mut values = [const { Value::Null }; 3];
            for (index, value) in (0..).zip(&mut values) {
                *value = row.get_value(index)?;
            }
            match item(values) {
                Ok(item) => items.push(item),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(items))
    }
}

/// The database may contain a table `items` with other columns.
fn item(values: [Value; 3]) -> Result<Item> {
    match values {
        [Value::Integer(id), Value::Text(label), Value::Text(created_at)] => {
            Ok(Item { id, label, created_at })
        }
        other => Err(Fault::failed(format!("`items` has a row with other columns: {other:?}"))
            .hint("inspect it with `demo sql 'select * from items'`")
            .into()),
    }
}
