//! Any SQL, with the values in their own types.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libsql::Value;
use serde_json::json;

use super::Client;
use crate::error::Result;

/// What a statement returned.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

impl Client {
    /// Runs one statement and returns its rows; several run as a script that
    /// stops at the first error, and return none.
    ///
    /// # Errors
    /// As the server answers; see [`super::explain`].
    pub async fn sql(&self, text: &str) -> Result<Table> {
        match self.query(text).await {
            // The server says so before it runs any of them.
            Err(error) if error.to_string().contains("SQL_MANY_STATEMENTS") => {
                self.connection
                    .execute_batch(text)
                    .await
                    .map_err(|error| self.fault(error))?;
                Ok(Table {
                    columns: Vec::new(),
                    rows: Vec::new(),
                })
            }
            other => other.map_err(|error| self.fault(error)),
        }
    }

    async fn query(&self, text: &str) -> Result<Table, libsql::Error> {
        let mut rows = self.connection.query(text, ()).await?;
        let count = rows.column_count();
        let columns = (0..count)
            .map(|i| rows.column_name(i).unwrap_or_default().to_owned())
            .collect();
        let mut table = Table {
            columns,
            rows: Vec::new(),
        };
        while let Some(row) = rows.next().await? {
            table.rows.push(
                (0..count)
                    .map(|i| row.get_value(i))
                    .collect::<Result<_, _>>()?,
            );
        }
        Ok(table)
    }
}

impl Table {
    /// Each row as an object. An integer that JSON's readers may round is a
    /// number all the same; a blob is `{"base64": ...}`.
    pub fn to_json(&self) -> serde_json::Value {
        let names = self.unique_columns();
        let object = |row: &Vec<Value>| {
            let pairs = names.iter().cloned().zip(row.iter().map(json_value));
            serde_json::Value::Object(pairs.collect())
        };
        self.rows.iter().map(object).collect()
    }

    /// A second column of the same name would vanish from an object: `x`, `x:2`.
    fn unique_columns(&self) -> Vec<String> {
        let mut seen = std::collections::HashMap::new();
        let mut unique = |name: &String| {
            let count = seen
                .entry(name.clone())
                .and_modify(|count| *count += 1)
                .or_insert(1);
            if *count == 1 {
                name.clone()
            } else {
                format!("{name}:{count}")
            }
        };
        self.columns.iter().map(|name| unique(name)).collect()
    }

    /// The values as a person reads them.
    pub fn text_rows(&self) -> Vec<Vec<String>> {
        self.rows
            .iter()
            .map(|row| row.iter().map(text_value).collect())
            .collect()
    }
}

fn json_value(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Integer(integer) => json!(integer),
        // JSON has no infinity: SQLite's own spelling of it.
        Value::Real(real) if !real.is_finite() => json!(real.to_string()),
        Value::Real(real) => json!(real),
        Value::Text(text) => json!(text),
        Value::Blob(bytes) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

fn text_value(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{hex}'")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sql_type_keeps_its_type() {
        let row = vec![
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Real(1.0),
            Value::Text("x'".into()),
            Value::Blob(vec![0, 255]),
        ];
        let columns = ["n", "i", "r", "t", "b"].map(str::to_owned).to_vec();
        let table = Table {
            columns,
            rows: vec![row],
        };
        assert_eq!(
            table.to_json(),
            json!([{"n": null, "i": i64::MIN, "r": 1.0, "t": "x'", "b": {"base64": "AP8="}}])
        );
        let text = ["NULL", "-9223372036854775808", "1.0", "x'", "x'00ff'"];
        assert_eq!(table.text_rows(), [text]);
    }
}
