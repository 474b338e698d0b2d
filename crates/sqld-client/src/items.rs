//! The table `items`, for trying out a server.

use libsql_hrana::proto::Value;
use serde::Serialize;

use crate::Client;
use crate::error::Error;

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
    /// As [`Client::query`].
    pub async fn init(&self) -> Result<(), Error> {
        self.query(CREATE, Vec::new()).await.map(|_nothing| ())
    }

    /// Adds a row and returns it as the server stored it.
    ///
    /// # Errors
    /// As [`Client::query`]; [`Error::OtherColumns`] for another table of that name.
    pub async fn insert(&self, label: &str) -> Result<Item, Error> {
        let sql = "INSERT INTO items (label) VALUES (?1) RETURNING id, label, created_at";
        let items = self.items(sql, vec![Value::Text { value: label.into() }]).await?;
        items.into_iter().next().ok_or_else(|| self.unusable("no row for the insert"))
    }

    /// All rows, oldest first.
    ///
    /// # Errors
    /// As [`Client::query`]; [`Error::OtherColumns`] for another table of that name.
    pub async fn read(&self) -> Result<Vec<Item>, Error> {
        self.items("SELECT id, label, created_at FROM items ORDER BY id", Vec::new()).await
    }

    /// The number of rows.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn count(&self) -> Result<u64, Error> {
        let table = self.query("SELECT count(*) FROM items", Vec::new()).await?;
        match table.rows.first().and_then(|row| row.first()) {
            Some(Value::Integer { value }) => Ok(value.unsigned_abs()),
            other => Err(self.unusable(&format!("a count of {other:?}"))),
        }
    }

    async fn items(&self, sql: &str, args: Vec<Value>) -> Result<Vec<Item>, Error> {
        self.query(sql, args).await?.rows.iter().map(|row| item(row)).collect()
    }

    fn unusable(&self, what: &str) -> Error {
        let server = self.endpoint().describe();
        Error::UnusableAnswer { server, what: what.to_owned(), source: None }
    }
}

/// The database may contain a table `items` with other columns.
fn item(row: &[Value]) -> Result<Item, Error> {
    match row {
        [Value::Integer { value: id }, Value::Text { value: label }, Value::Text { value: at }] => {
            Ok(Item { id: *id, label: label.to_string(), created_at: at.to_string() })
        }
        other => Err(Error::OtherColumns { row: format!("{other:?}") }),
    }
}
