//! Parses YAML text into one JSON value, with anchors and merge keys resolved and no guessing of
//! types.

use serde_json::{Map, Value};

use crate::Error;
use crate::place::Place;

/// Parses a compose file, whose top level is a mapping.
///
/// # Errors
/// [`Error::Invalid`] when the text is not YAML, or its top level is not a mapping.
pub fn parse(text: &str, place: &Place) -> Result<Map<String, Value>, Error> {
    // Compose reads YAML 1.1 numbers, but `y` and `no` as text. Silently dropping a tag would
    // change the meaning of the file.
    let options = serde_saphyr::options! {
        strict_booleans: true,
        legacy_octal_numbers: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        place.invalid(format!("not valid YAML: {}", one_line(&error.to_string())))
    })?;
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Err(place.invalid("the file is empty")),
        _ => Err(place.invalid("the top level must be a mapping")),
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Value, String> {
        parse(text, &Place::of_file("a.yml")).map(Value::Object).map_err(|error| error.to_string())
    }

    #[test]
    fn words_that_only_look_like_booleans_stay_text() {
        let value = read("a: y\nb: no\nc: on\nd: true\ne: 010\n").unwrap();
        assert_eq!(value, json!({"a": "y", "b": "no", "c": "on", "d": true, "e": 8}));
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved() {
        let text = "x-a: &a {p: 1, q: 1}\nx-b: &b\n  <<: *a\n  q: 2\nc:\n  <<: *b\n  r: 3\n";
        assert_eq!(read(text).unwrap()["c"], json!({"p": 1, "q": 2, "r": 3}));
        let list = "x-a: &a {p: 1}\nx-b: &b {p: 2, q: 2}\nc: {<<: [*a, *b]}\n";
        assert_eq!(read(list).unwrap()["c"], json!({"p": 1, "q": 2}));
    }

    #[test]
    fn bad_documents_are_refused_in_one_line_with_the_file() {
        for text in [
            "",
            "# nothing\n",
            "- a\n",
            "text\n",
            "a: 1\na: 2\n",
            "a:\n\tb: 1\n",
            "image: x: y\n",
            "a: *missing\n",
            "a: !reset null\n",
            "a: !override [b]\n",
            "a: [1\n",
            "a: 1\n---\nb: 2\n",
        ] {
            let message = read(text).expect_err(text);
            assert!(message.starts_with("a.yml: "), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
