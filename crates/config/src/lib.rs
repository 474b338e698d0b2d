//! Configuration as YAML: one reader for compose files and for the configuration of the services,
//! with variables, `.env`, and the position of each value.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use self::interpolate::Unset;
use self::place::Place;

pub mod dotenv;
mod error;
pub mod file;
pub mod interpolate;
pub mod place;
pub mod scalar;
pub mod values;
pub mod yaml;

pub use error::Error;

/// Reads a YAML file into one value with anchors and variables resolved. A variable that is not set
/// and has no default is an error.
///
/// # Errors
/// [`Error::Variable`] for a variable without a value, and those of [`yaml::parse`]; each names the
/// file and the key.
pub fn document(
    name: &str,
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Map<String, Value>, Error> {
    let place = Place::of_file(name);
    let mut document = yaml::parse(text, &place)?;
    for (key, value) in &mut document {
        interpolate::in_place(value, variables, Unset::Refused, &place.key(key))?;
    }
    Ok(document)
}
