//! The project name: as requested, from the environment, from a file, or from the folder.

use serde_json::{Map, Value};

use super::Sources;
use crate::Error;
use demo_base::error::Result;
use demo_config::interpolate::{self, Unset};
use demo_config::place::Place;
use demo_config::scalar;

/// The variable that sets the name, and that carries it into the files.
pub(super) const VARIABLE: &str = "COMPOSE_PROJECT_NAME";

pub(super) fn resolve(sources: &Sources, files: &[(Map<String, Value>, Place)]) -> Result<String> {
    if let Some(name) = &sources.project_name {
        return Ok(checked(name, "the requested project name")?);
    }
    if let Some(name) = sources.environment.get(VARIABLE).filter(|name| !name.is_empty()) {
        return Ok(checked(name, VARIABLE)?);
    }
    for (file, place) in files.iter().rev() {
        if let Some(value) = file.get("name") {
            let place = place.key("name");
            let mut value = value.clone();
            interpolate::in_place(&mut value, &sources.environment, Unset::Empty, &place)?;
            return Ok(checked(&scalar::string(value, &place)?, &place.to_string())?);
        }
    }
    let folder = sources.project_dir.file_name().unwrap_or_default().to_string_lossy();
    let name: String = folder.to_lowercase().chars().filter(|&c| is_allowed(c)).collect();
    Ok(checked(name.trim_start_matches(['_', '-']), "the name of the project folder")?)
}

fn checked(name: &str, origin: &str) -> Result<String, Error> {
    let starts = name.starts_with(|first: char| is_allowed(first) && first.is_alphanumeric());
    if starts && name.chars().all(is_allowed) {
        return Ok(name.to_owned());
    }
    Err(Error::ProjectName { origin: origin.to_owned(), name: name.to_owned() })
}

fn is_allowed(character: char) -> bool {
    matches!(character, 'a'..='z' | '0'..='9' | '_' | '-')
}
