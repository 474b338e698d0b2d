//! The configuration file of a service: YAML with `${VARIABLE}` from the environment, in which
//! unknown keys are errors.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;

use demo_base::error::Result;
use demo_base::files;

use crate::Error;
use crate::place::Place;

/// Reads `path` into the typed configuration `T`, which denies unknown fields.
///
/// `variables` are the values of `${NAME}`. `${NAME:-default}` and `$$` work as in compose files,
/// but a variable without a default must be set.
///
/// # Errors
/// [`demo_base::Error::Missing`] when the file does not exist, [`demo_base::Error::Unreadable`] when
/// it cannot be read, and those of [`parse`].
pub fn load<T: DeserializeOwned>(path: &Path, variables: &BTreeMap<String, String>) -> Result<T> {
    let text = files::read_text(path, "configuration file")?;
    Ok(parse(&path.display().to_string(), &text, variables)?)
}

/// The part of [`load`] without I/O; `name` is the name of the file in messages.
///
/// # Errors
/// [`Error`] for anything wrong in the file: the message names the file and the key, never the value.
pub fn parse<T: DeserializeOwned>(
    name: &str,
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<T, Error> {
    let document = crate::document(name, text, variables)?;
    serde_path_to_error::deserialize(serde_json::Value::Object(document)).map_err(|error| {
        let path = error.path().to_string();
        let file = Place::of_file(name);
        let place = if path == "." { file } else { file.key(&path) };
        place.invalid(without_values(&error.inner().to_string()))
    })
}

/// serde repeats the text that it refuses, which may be a secret.
fn without_values(message: &str) -> String {
    for kind in ["string", "integer", "boolean", "floating point"] {
        if let Some((before, rest)) = message.split_once(&format!("{kind} `"))
            && let Some((_, after)) = rest.split_once("`, ")
        {
            return format!("{before}this {kind}, {after}");
        }
        if let Some((before, rest)) = message.split_once(&format!("{kind} \""))
            && let Some((_, after)) = rest.rsplit_once("\", ")
        {
            return format!("{before}this {kind}, {after}");
        }
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Config {
        url: String,
        #[serde(default)]
        number: u8,
        #[serde(default)]
        inner: Option<Box<Config>>,
    }

    fn read(text: &str) -> Result<Config, String> {
        let variables = BTreeMap::from([("HOST".to_owned(), "h".to_owned())]);
        parse("c.yaml", text, &variables).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_are_filled_in_and_must_be_set() {
        assert_eq!(read("url: http://${HOST}/$$\n").unwrap().url, "http://h/$");
        assert_eq!(read("url: ${NONE:-x}\n").unwrap().url, "x");
        let error = read("url: ${NONE}\n").unwrap_err();
        assert!(error.starts_with("c.yaml: `url`: ") && error.contains("NONE"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place() {
        let error = read("url: a\ninner:\n  url: b\n  colour: red\n").unwrap_err();
        assert!(error.starts_with("c.yaml: `inner.colour`: unknown field `colour`"), "{error}");
    }

    #[test]
    fn a_value_is_never_repeated() {
        for text in ["url: a\nnumber: hunter2\n", "url: a\nnumber: \"hun\\\"ter2\"\n"] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("c.yaml: `number`: ") && !error.contains("ter2"), "{error}");
        }
    }
}
