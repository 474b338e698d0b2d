//! Expands the short forms in one file to the long ones, so that files can be merged.
//!
//! Anything else passes unchanged and is validated by the typed model.

mod mounts;
mod ports;
mod words;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use demo_config::Error;
use demo_config::place::Place;
use demo_config::scalar;

/// The folders that relative paths and `~` refer to.
pub(super) struct Paths<'a> {
    pub project_dir: &'a Path,
    pub variables: &'a BTreeMap<String, String>,
}

/// Normalises an interpolated file.
pub(super) fn file(
    file: Map<String, Value>,
    place: &Place,
    paths: &Paths,
) -> Result<Map<String, Value>, Error> {
    let mut result = Map::new();
    for (key, value) in file {
        let here = place.key(&key);
        let value = match key.as_str() {
            "services" => each(value, &here, |value, place| service(value, place, paths))?,
            "networks" | "volumes" => each(value, &here, resource)?,
            "name" => scalar::string(value, &here)?.into(),
            // Obsolete; Compose ignores it as well.
            "version" => continue,
            _ if is_extension(&key) => value,
            _ => return Err(place.unknown(&key)),
        };
        result.insert(key, value);
    }
    Ok(result)
}

fn is_extension(key: &str) -> bool {
    key.starts_with("x-")
}

/// Normalises every entry of a section; an empty section is dropped.
fn each(
    section: Value,
    place: &Place,
    normalise: impl Fn(Value, &Place) -> Result<Value, Error>,
) -> Result<Value, Error> {
    if section.is_null() {
        return Ok(json!({}));
    }
    let mut section = scalar::mapping(section, place)?;
    for (name, entry) in &mut section {
        *entry = normalise(entry.take(), &place.key(name))?;
    }
    Ok(section.into())
}

/// A top-level network or volume.
fn resource(value: Value, place: &Place) -> Result<Value, Error> {
    if value.is_null() {
        return Ok(json!({}));
    }
    let mut resource = scalar::mapping(value, place)?;
    resource.retain(|key, _| !is_extension(key));
    truths(&mut resource, &["external", "internal"]);
    Ok(resource.into())
}

fn service(value: Value, place: &Place, paths: &Paths) -> Result<Value, Error> {
    let mut result = Map::new();
    for (key, value) in scalar::mapping(value, place)? {
        let place = place.key(&key);
        let value = match key.as_str() {
            _ if is_extension(&key) => continue,
            // Null is meaningful here: it resets the value to that of the image.
            "command" | "entrypoint" => words::words(value, &place)?,
            "environment" | "labels" | "depends_on" | "networks" | "ports" | "volumes"
            | "expose" | "healthcheck"
                if value.is_null() =>
            {
                continue;
            }
            "environment" => pairs(value, &place)?,
            "labels" => labels(value, &place)?,
            "depends_on" => dependencies(value, &place)?,
            "networks" => names_or_mapping(value, &place, || Value::Null)?,
            "ports" => items(value, &place, ports::port)?,
            "volumes" => items(value, &place, |value, place| mounts::mount(value, place, paths))?,
            "expose" => items(value, &place, ports::expose)?,
            "healthcheck" => health_check(value, &place)?,
            _ => value,
        };
        result.insert(key, value);
    }
    Ok(result.into())
}

fn items(
    value: Value,
    place: &Place,
    normalise: impl Fn(Value, &Place) -> Result<Value, Error>,
) -> Result<Value, Error> {
    scalar::list(value, place)?.into_iter().map(|(item, place)| normalise(item, &place)).collect()
}

/// Converts `[A=1, B]` to `{A: 1, B: null}`, with the values as text.
fn pairs(value: Value, place: &Place) -> Result<Value, Error> {
    let mut result = Map::new();
    if value.is_array() {
        for (item, place) in scalar::list(value, place)? {
            let item = scalar::string(item, &place)?;
            let (name, value) = match item.split_once('=') {
                Some((name, value)) => (name, value.into()),
                None => (item.as_str(), Value::Null),
            };
            if name.is_empty() {
                return Err(place.invalid("there is no name before `=`"));
            }
            result.insert(name.to_owned(), value);
        }
        return Ok(result.into());
    }
    for (name, value) in scalar::mapping(value, place)? {
        let value =
            if value.is_null() { value } else { scalar::text(value, &place.key(&name))?.into() };
        result.insert(name, value);
    }
    Ok(result.into())
}

/// Like [`pairs`], but a label without a value gets an empty one.
fn labels(value: Value, place: &Place) -> Result<Value, Error> {
    let mut labels = pairs(value, place)?;
    for label in labels.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if label.is_null() {
            *label = "".into();
        }
    }
    Ok(labels)
}

/// Converts `[a, b]` to `{a: ..., b: ...}`; a mapping passes unchanged.
fn names_or_mapping(
    value: Value,
    place: &Place,
    entry: impl Fn() -> Value,
) -> Result<Value, Error> {
    if !value.is_array() {
        return Ok(scalar::mapping(value, place)?.into());
    }
    let names = scalar::list(value, place)?.into_iter();
    names.map(|(name, place)| Ok((scalar::string(name, &place)?, entry()))).collect()
}

fn dependencies(value: Value, place: &Place) -> Result<Value, Error> {
    let long = || json!({"condition": "service_started", "required": true});
    let mut dependencies = names_or_mapping(value, place, long)?;
    for dependency in dependencies.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Value::Object(dependency) = dependency {
            dependency.entry("required").or_insert(true.into());
            truths(dependency, &["required", "restart"]);
        }
    }
    Ok(dependencies)
}

fn health_check(value: Value, place: &Place) -> Result<Value, Error> {
    let mut check = scalar::mapping(value, place)?;
    if let Some(test) = check.get_mut("test") {
        let place = place.key("test");
        *test = match test.take() {
            Value::String(line) => json!(["CMD-SHELL", line]),
            list => words::list(list, &place)?,
        };
        let kind = test[0].as_str().unwrap_or_default();
        if !matches!(kind, "CMD" | "CMD-SHELL" | "NONE") {
            return Err(place.invalid("must start with CMD, CMD-SHELL or NONE"));
        }
    }
    if let Some(retries) = check.get_mut("retries") {
        *retries = scalar::number(retries.take());
    }
    truths(&mut check, &["disable"]);
    Ok(check.into())
}

/// Converts these keys to booleans where a variable left text.
fn truths(map: &mut Map<String, Value>, keys: &[&str]) {
    for key in keys {
        if let Some(value) = map.get_mut(*key) {
            *value = scalar::truth(value.take());
        }
    }
}
