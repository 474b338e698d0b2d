//! JSON with a single possible reading, for untrusted input that grants rights: tokens, and the
//! answers of a login issuer.
//!
//! RFC 8259 does not define the meaning of a repeated member; here it is an error at every depth.
//! The names by which `serde_json` passes its own raw values through an object are errors as well,
//! because `Value` would interpret the text of such an object.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The maximum nesting of objects and lists. `serde_json` itself stops at 128.
const DEEPEST: usize = 32;
/// The prefix of the names that have a special meaning to `serde_json`.
const RESERVED: &str = "$serde_json::private::";

/// Why a text is not an acceptable JSON object. No message repeats any of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    #[error("it is not a JSON object")]
    NoObject,
    #[error("one of its JSON objects has a member twice")]
    Twice,
    #[error("its JSON is nested too deeply")]
    Deep,
    #[error("its JSON has a member with a reserved name")]
    Reserved,
}

/// Reads one JSON object with nothing but white space around it.
///
/// # Errors
/// Why it is not an object, or not one with a single meaning.
pub fn object(text: &[u8]) -> Result<Map<String, Value>, Unreadable> {
    let why = Cell::new(Unreadable::NoObject);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict { why: &why, room: DEEPEST }.deserialize(&mut reader);
    match (value, reader.end()) {
        (Ok(Value::Object(members)), Ok(())) => Ok(members),
        (Ok(_), _) => Err(Unreadable::NoObject),
        (Err(_), _) => Err(why.get()),
    }
}

/// Reads one value; `room` is how many levels of nesting remain.
#[derive(Clone, Copy)]
struct Strict<'a> {
    why: &'a Cell<Unreadable>,
    room: usize,
}

impl Strict<'_> {
    fn fail<E: serde::de::Error>(self, why: Unreadable) -> E {
        self.why.set(why);
        E::custom(why)
    }

    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.room.checked_sub(1) {
            Some(room) => Ok(Self { room, ..self }),
            None => Err(self.fail(Unreadable::Deep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            if name.starts_with(RESERVED) {
                return Err(self.fail(Unreadable::Reserved));
            }
            if members.contains_key(&name) {
                return Err(self.fail(Unreadable::Twice));
            }
            members.insert(name, object.next_value_seed(inside)?);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn why(text: &str) -> Unreadable {
        object(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn l7_a_member_that_is_there_twice_is_refused_at_every_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"a":null}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[1,[{"y":{"a":1,"a":2}}]]}"#,
            r#"{"":1,"":2}"#,
        ] {
            assert_eq!(why(text), Unreadable::Twice, "{text}");
        }
        // Different names: another case, another object, another Unicode normal form.
        for text in [r#"{"a":1,"A":1}"#, r#"{"a":{"a":{"a":1}}}"#, "{\"\u{e9}\":1,\"e\u{301}\":2}"]
        {
            object(text.as_bytes()).unwrap();
        }
    }

    #[test]
    fn l7_the_names_of_serde_json_itself_are_no_way_to_write_a_text() {
        for name in ["RawValue", "Number", "Anything"] {
            for text in [
                format!(r#"{{"$serde_json::private::{name}":"\"text\""}}"#),
                format!(r#"{{"sub":{{"$serde_json::private::{name}":"\"alice\""}}}}"#),
                format!(r#"{{"l":[{{"\u0024serde_json::private::{name}":"1"}}]}}"#),
            ] {
                assert_eq!(why(&text), Unreadable::Reserved, "{text}");
            }
        }
        // The reason for refusing it: `Value` reads the object as a string.
        let fooled: Value =
            serde_json::from_str(r#"{"$serde_json::private::RawValue":"\"alice\""}"#).unwrap();
        assert_eq!(fooled, "alice");
    }

    #[test]
    fn l7_what_is_no_object_or_has_more_behind_it_is_refused() {
        for text in [
            "",
            " ",
            "null",
            "[]",
            "\"{}\"",
            "{",
            "{}}",
            "{} {}",
            "{}x",
            "{}\0",
            "\u{feff}{}",
            "{'a':1}",
            "{\"a\":1,}",
            "{\"a\":NaN}",
            "{\"a\":1e400}",
            "{\"a\":-1e400}",
            "{\"a\":01}",
            "{\"a\":\"\u{0}\"}",
            "{\"a\":\"\\ud800\"}",
            "{/**/}",
        ] {
            assert_eq!(why(text), Unreadable::NoObject, "{text:?}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(Unreadable::NoObject));
        assert_eq!(object(b" \t\r\n{ } ").unwrap().len(), 0);
    }

    #[test]
    fn l7_depth_is_bounded() {
        let nested =
            |depth: usize| format!("{}{}", "{\"a\":".repeat(depth), "1") + &"}".repeat(depth);
        object(nested(DEEPEST).as_bytes()).unwrap();
        assert_eq!(why(&nested(DEEPEST + 1)), Unreadable::Deep);
        assert_eq!(why(&nested(100_000)), Unreadable::Deep);
        let lists = format!("{{\"a\":{}", "[".repeat(1_000_000));
        assert_eq!(why(&lists), Unreadable::Deep);
    }

    #[test]
    fn numbers_keep_their_kind() {
        let read = object(b"{\"a\":-0,\"b\":1.5,\"c\":18446744073709551615,\"d\":-1}").unwrap();
        assert_eq!(read["a"].as_i64(), None);
        assert_eq!(
            (&read["b"], &read["c"], &read["d"]),
            (&json!(1.5), &json!(u64::MAX), &json!(-1))
        );
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map("[a-z]{0,3}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// JSON with a single meaning is read as `serde_json` itself reads it.
        #[test]
        fn what_is_written_is_read(value in values()) {
            let whole = json!({ "value": value });
            prop_assert_eq!(Value::Object(object(whole.to_string().as_bytes()).unwrap()), whole);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = object(&bytes);
        }
    }
}
