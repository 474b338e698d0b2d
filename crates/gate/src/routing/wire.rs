//! The body of a Hrana pipeline (versions 2 and 3, JSON), as far as routing reads it.
//!
//! A body with an unknown or duplicate field cannot be read, and goes to the primary. The
//! body for a replica is written from these types, so that it is exactly what was judged.
//! Arguments and conditions are kept byte for byte.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline<'a> {
    #[serde(borrow, default)]
    pub baton: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub requests: Vec<StreamRequest<'a>>,
}

/// A request of any kind; `kind` determines which fields it may have.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StreamRequest<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub stmt: Option<Statement<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql_id: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_index: Option<Index>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Statement<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql_id: Option<i32>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub args: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub named_args: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub want_rows: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_index: Option<Index>,
}

/// A batch. The server uses its index, not those of its statements.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Batch<'a> {
    #[serde(borrow)]
    pub steps: Vec<Step<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_index: Option<Index>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Step<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<&'a RawValue>,
    #[serde(borrow)]
    pub stmt: Statement<'a>,
}

/// The body of a cursor.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor<'a> {
    #[serde(borrow, default)]
    pub baton: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub batch: Batch<'a>,
}

/// A replication index: a string in JSON, but the server accepts a number as well.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Index(pub u64);

impl Serialize for Index {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let number = match &value {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        number.map(Self).ok_or_else(|| D::Error::custom("not a replication index"))
    }
}
