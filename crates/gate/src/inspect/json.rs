//! Hrana in JSON: bodies of HTTP requests.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Judged, Refusal, Right, Sum};

/// Checks a body from a client with `right`.
///
/// Every string that is not an argument counts as SQL, including those under duplicate
/// keys, so that it does not matter which of them the server uses.
///
/// # Errors
/// [`Refusal::Sql`], or [`Refusal::Malformed`] when it is not JSON.
pub fn check(text: &[u8], right: Right) -> Result<Judged, Refusal> {
    let mut seen = Seen { sum: Sum::new(right), refusal: None };
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = Scan(&mut seen).deserialize(&mut reader).and_then(|()| reader.end());
    match (seen.refusal, read) {
        (Some(refusal), _) => Err(refusal),
        (None, Err(_)) => Err(Refusal::Malformed("it is not JSON")),
        (None, Ok(())) => Ok(seen.sum.judged),
    }
}

struct Seen {
    sum: Sum,
    refusal: Option<Refusal>,
}

/// Visits a value and everything inside it.
struct Scan<'a>(&'a mut Seen);

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.0.sum.add(text).map_err(|refusal| {
            self.0.refusal = Some(refusal);
            E::custom("refused")
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Scan(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key_seed(Key)? {
            match key {
                Value::Sql => entries.next_value_seed(Scan(self.0))?,
                Value::NoStatement => {
                    let before = self.0.sum.judged;
                    entries.next_value_seed(Scan(self.0))?;
                    self.0.sum.judged = before;
                }
                Value::Argument => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The kind of value under a key.
enum Value {
    /// SQL, or something that contains SQL.
    Sql,
    /// A word of the protocol: it is checked too, but does not count as a statement.
    NoStatement,
    /// An argument, which is never SQL, whatever it contains.
    Argument,
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Value, E> {
        Ok(match key {
            "args" | "named_args" | "params" => Value::Argument,
            "type" | "baton" | "condition" | "replication_index" => Value::NoStatement,
            _ => Value::Sql,
        })
    }
}
