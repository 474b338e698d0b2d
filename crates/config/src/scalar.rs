//! YAML scalars for keys that take text, a number or a boolean.

use serde_json::{Map, Value};

use crate::Error;
use crate::place::Place;

/// The value as a mapping.
///
/// # Errors
/// [`Error::Invalid`] when the value is not a mapping.
pub fn mapping(value: Value, place: &Place) -> Result<Map<String, Value>, Error> {
    match value {
        Value::Object(map) => Ok(map),
        other => Err(place.invalid(format!("must be a mapping, not {}", kind(&other)))),
    }
}

/// The items of the value as a list, with their positions.
///
/// # Errors
/// [`Error::Invalid`] when the value is not a list.
pub fn list(value: Value, place: &Place) -> Result<Vec<(Value, Place)>, Error> {
    match value {
        Value::Array(items) => Ok(items
            .into_iter()
            .enumerate()
            .map(|(index, item)| (item, place.item(index)))
            .collect()),
        other => Err(place.invalid(format!("must be a list, not {}", kind(&other)))),
    }
}

/// The value as a string; a scalar that only prints like one is refused.
///
/// # Errors
/// [`Error::Invalid`] when the value is not a string.
pub fn string(value: Value, place: &Place) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(place.invalid_with_help(
            format!("must be a string, not {}", kind(&other)),
            "put the value in quotes",
        )),
    }
}

/// The text of a scalar for keys that also accept numbers and booleans.
///
/// # Errors
/// [`Error::Invalid`] when the value is not a string, a whole number or a truth value.
pub fn text(value: Value, place: &Place) -> Result<String, Error> {
    match value {
        Value::Bool(truth) => Ok(truth.to_string()),
        // Compose formats other numbers in its own way.
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        other => string(other, place),
    }
}

/// Converts a number that a variable left as text. Other values are left for the typed model to
/// refuse.
pub fn number(value: Value) -> Value {
    match value.as_str().and_then(|text| text.parse::<u64>().ok()) {
        Some(number) => number.into(),
        None => value,
    }
}

/// Converts a boolean that a variable left as text; see [`number`].
pub fn truth(value: Value) -> Value {
    match value.as_str().and_then(|text| text.parse::<bool>().ok()) {
        Some(truth) => truth.into(),
        None => value,
    }
}

/// The type of a value, without its content, which may be a secret.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_compose_prints_alike_becomes_text() {
        let place = Place::of_file("a.yml").key("x");
        for (value, expected) in [
            (json!("a"), Some("a")),
            (json!(5), Some("5")),
            (json!(-5), Some("-5")),
            (json!(true), Some("true")),
            (json!(1.0), None),
            (json!(null), None),
            (json!([]), None),
            (json!({}), None),
        ] {
            assert_eq!(text(value.clone(), &place).ok().as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn a_message_never_shows_the_value() {
        let place = Place::of_file("a.yml").key("x");
        let error = string(json!(424_242), &place).unwrap_err();
        assert_eq!(error.to_string(), "a.yml: `x`: must be a string, not a number");
    }
}
