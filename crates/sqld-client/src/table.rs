//! Tables of values, as a server or the file of a replica returns them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libsql_hrana::proto::{StmtResult, Value};
use serde_json::{Value as Json, json};

use demo_base::hex;

/// What a statement returned.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

impl From<&StmtResult> for Table {
    fn from(result: &StmtResult) -> Self {
        let name = |column: &libsql_hrana::proto::Col| column.name.clone().unwrap_or_default();
        Self {
            columns: result.cols.iter().map(name).collect(),
            rows: result.rows.iter().map(|row| row.values.clone()).collect(),
        }
    }
}

impl Table {
    /// Each row as an object; a blob is `{"base64": ...}`.
    pub fn to_json(&self) -> Json {
        let names = self.unique_columns();
        let object = |row: &Vec<Value>| {
            let pairs = names.iter().cloned().zip(row.iter().map(json_value));
            Json::Object(pairs.collect())
        };
        self.rows.iter().map(object).collect()
    }

    /// A repeated column name would be lost in an object, so it becomes `x`, `x:2`.
    fn unique_columns(&self) -> Vec<String> {
        let mut seen = std::collections::HashMap::new();
        let unique = |name: &String| {
            let count = seen.entry(name.clone()).and_modify(|count| *count += 1).or_insert(1);
            if *count == 1 { name.clone() } else { format!("{name}:{count}") }
        };
        self.columns.iter().map(unique).collect()
    }

    /// The values as text for a person.
    pub fn text_rows(&self) -> Vec<Vec<String>> {
        self.rows.iter().map(|row| row.iter().map(text_value).collect()).collect()
    }
}

fn json_value(value: &Value) -> Json {
    match value {
        Value::Null | Value::None => Json::Null,
        Value::Integer { value } => json!(value),
        Value::Float { value } => json!(value),
        Value::Text { value } => json!(value),
        Value::Blob { value } => json!({ "base64": STANDARD.encode(value) }),
    }
}

fn text_value(value: &Value) -> String {
    match value {
        Value::Null | Value::None => "NULL".to_owned(),
        Value::Integer { value } => value.to_string(),
        Value::Float { value } => format!("{value:?}"),
        Value::Text { value } => value.to_string(),
        Value::Blob { value } => format!("x'{}'", hex::encode(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sql_type_keeps_its_type() {
        let columns = ["n", "i", "r", "t", "t"].map(|name| json!({ "name": name }));
        let sent = json!({
            "cols": columns,
            "rows": [[
                { "type": "null" },
                { "type": "integer", "value": "-9223372036854775808" },
                { "type": "float", "value": 1.0 },
                { "type": "text", "value": "x'" },
                { "type": "blob", "base64": "AP8" },
            ]],
            "affected_row_count": 0,
            "last_insert_rowid": null,
        });
        let result: StmtResult = serde_json::from_str(&sent.to_string()).unwrap();
        let table = Table::from(&result);
        assert_eq!(
            table.to_json(),
            json!([{"n": null, "i": i64::MIN, "r": 1.0, "t": "x'", "t:2": {"base64": "AP8="}}])
        );
        let text = ["NULL", "-9223372036854775808", "1.0", "x'", "x'00ff'"];
        assert_eq!(table.text_rows(), [text]);
    }
}
