//! Runs any SQL and keeps the types of the values.
//!
//! It uses Hrana directly rather than the `libsql` crate. Of several statements the crate (0.10.0)
//! runs the first and silently drops the rest, and a write that the token forbids ends its cursor
//! in the middle of a 200, where the pipeline answers 403 (both measured).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Value as Json, json};

use super::endpoint::Endpoint;
use super::failure;
use crate::hrana::{Hrana, Reply};
use demo_base::error::{Fault, Result};
use demo_base::hex;

/// Servers send blobs with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A value of `SQLite`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// What a statement returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

/// Runs one statement and returns its rows. Several statements run as a script that stops at the
/// first error and returns no rows.
///
/// # Errors
/// Exit 3, 4, 5 or 1, as the server answers.
pub async fn run(hrana: &Hrana, endpoint: &Endpoint, text: &str) -> Result<Table> {
    let reply = hrana.execute(text).await?;
    // The server reports this before it runs any of them.
    if reply.sql_error().is_some_and(|(code, _)| code == "SQL_MANY_STATEMENTS") {
        let script = json!([{ "type": "sequence", "sql": text }]);
        let reply = hrana.requests(script).await?;
        return match failure::of_reply(&reply, endpoint) {
            None => Ok(Table::default()),
            Some(fault) => Err(fault.into()),
        };
    }
    match failure::of_reply(&reply, endpoint) {
        None => Table::of(&reply),
        Some(fault) => Err(fault.into()),
    }
}

impl Table {
    /// The rows of an answer.
    ///
    /// # Errors
    /// Exit 1 when the server sent something that is not a `SQLite` value.
    pub fn of(reply: &Reply) -> Result<Self> {
        let rows = reply.rows().and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let row = |row: &Json| {
            let values = row.as_array().map(Vec::as_slice).unwrap_or_default();
            values.iter().map(decode).collect::<Result<Vec<Value>>>()
        };
        let rows = rows.iter().map(row).collect::<Result<_>>()?;
        Ok(Self { columns: reply.columns(), rows })
    }

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

/// An integer is sent as text, since JSON readers may round it.
fn decode(value: &Json) -> Result<Value> {
    let text = |name: &str| value.get(name).and_then(Json::as_str);
    let decoded = match text("type") {
        Some("null") => Some(Value::Null),
        Some("integer") => text("value").and_then(|t| t.parse().ok()).map(Value::Integer),
        Some("float") => value.get("value").and_then(Json::as_f64).map(Value::Real),
        Some("text") => text("value").map(|text| Value::Text(text.to_owned())),
        Some("blob") => text("base64").and_then(|t| BASE64.decode(t).ok()).map(Value::Blob),
        _ => None,
    };
    let shown = || crate::http::excerpt(&value.to_string());
    decoded.ok_or_else(|| {
        Fault::failed(format!("the server sent a value of an unknown type: {}", shown())).into()
    })
}

fn json_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(integer) => json!(integer),
        Value::Real(real) => json!(real),
        Value::Text(text) => json!(text),
        Value::Blob(bytes) => {
            json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) })
        }
    }
}

fn text_value(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => {
            format!("x'{}'", hex::encode(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sql_type_keeps_its_type() {
        let sent = json!([
            { "type": "null" },
            { "type": "integer", "value": "-9223372036854775808" },
            { "type": "float", "value": 1.0 },
            { "type": "text", "value": "x'" },
            { "type": "blob", "base64": "AP8" },
        ]);
        let row = sent.as_array().unwrap().iter().map(|v| decode(v).unwrap()).collect();
        let columns = ["n", "i", "r", "t", "t"].map(str::to_owned).to_vec();
        let table = Table { columns, rows: vec![row] };
        assert_eq!(
            table.to_json(),
            json!([{"n": null, "i": i64::MIN, "r": 1.0, "t": "x'", "t:2": {"base64": "AP8="}}])
        );
        let text = ["NULL", "-9223372036854775808", "1.0", "x'", "x'00ff'"];
        assert_eq!(table.text_rows(), [text]);
    }

    #[test]
    fn a_value_of_another_form_is_no_null() {
        for value in [json!({}), json!({ "type": "integer", "value": "x" }), json!(null)] {
            assert!(decode(&value).is_err(), "{value}");
        }
    }
}
