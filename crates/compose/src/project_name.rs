//! The project name: as requested, from the environment, from a file, or from the folder.

use serde_json::{Map, Value};

use super::Sources;
use demo_base::error::Fault;
use demo_config::interpolate::{self, Unset};
use demo_config::place::Place;
use demo_config::scalar;

/// The variable that sets the name, and that carries it into the files.
pub(super) const VARIABLE: &str = "COMPOSE_PROJECT_NAME";

pub(super) fn resolve(
    sources: &Sources,
    files: &[(Map<String, Value>, Place)],
) -> Result<String, Fault> {
    if let Some(name) = &sources.project_name {
        return checked(name, "the requested project name");
    }
    if let Some(name) = sources.environment.get(VARIABLE).filter(|name| !name.is_empty()) {
        return checked(name, VARIABLE);
    }
    for (file, place) in files.iter().rev() {
        if let Some(value) = file.get("name") {
            let place = place.key("name");
            let mut value = value.clone();
            interpolate::in_place(&mut value, &sources.environment, Unset::Empty, &place)?;
            return checked(&scalar::string(value, &place)?, &place.to_string());
        }
    }
    let folder = sources.project_dir.file_name().unwrap_or_default().to_string_lossy();
    let name: String = folder.to_lowercase().chars().filter(|&c| is_allowed(c)).collect();
    checked(name.trim_start_matches(['_', '-']), "the name of the project folder")
}

fn checked(name: &str, origin: &str) -> Result<String, Fault> {
    let starts = name.starts_with(|first: char| is_allowed(first) && first.is_alphanumeric());
    if starts && name.chars().all(is_allowed) {
        return Ok(name.to_owned());
    }
    Err(Fault::input(format!("{origin}: `{name}` is not a project name"))
        .hint("use lower-case letters, digits, `-` and `_`, and start with a letter or a digit"))
}

fn is_allowed(character: char) -> bool {
    matches!(character, 'a'..='z' | '0'..='9' | '_' | '-')
}
