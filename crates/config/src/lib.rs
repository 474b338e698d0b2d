//! Configuration as YAML: one reader for compose files and for the files of the services,
//! with variables, `.env`, and the place where a value stands.

use std::collections::BTreeMap;

use demo_base::error::Result;
use serde_json::{Map, Value};

use self::interpolate::Unset;
use self::place::Place;

pub mod dotenv;
pub mod file;
pub mod interpolate;
pub mod place;
pub mod scalar;
pub mod yaml;

/// A YAML file as one value: anchors resolved,
/// variables filled in. One that is not set and has no default is an error.
///
/// # Errors
/// Exit 2 with the file and the key.
pub fn document(
    name: &str,
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Map<String, Value>> {
    let place = Place::of_file(name);
    let mut document = yaml::parse(text, &place)?;
    for (key, value) in &mut document {
        interpolate::in_place(value, variables, Unset::Refused, &place.key(key))?;
    }
    Ok(document)
}
