//! Reads compose files the way Docker Compose does, in a strict subset.
//!
//! ```text
//! text -> yaml -> interpolate -> normalise -> merge -> model -> check
//!        (per file: one value, long forms only)   (one typed project)
//! ```
//!
//! An unsupported key is an error that names it. If it were ignored, the running stack would differ
//! from the one that the files describe.

mod check;
mod config;
mod duration;
mod error;
mod merge;
pub mod model;
mod normalise;
mod order;
mod project_name;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use demo_base::error::Result;
use demo_config::interpolate::{self, Unset};
use demo_config::place::Place;
use demo_config::yaml;

pub use error::Error;
pub use model::{
    Attachment, BindOptions, Condition, Dependency, HealthCheck, Mount, MountKind, NamedVolume,
    Network, Port, PortMode, Project, Protocol, Service, VolumeOptions,
};

/// One compose file and its text.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceFile {
    pub path: PathBuf,
    pub text: String,
}

/// Everything that decides what a set of compose files means.
#[derive(Clone, Debug, PartialEq)]
pub struct Sources {
    /// The base file, followed by the overrides in order.
    pub files: Vec<SourceFile>,
    /// The absolute folder against which relative paths are resolved.
    pub project_dir: PathBuf,
    /// The variables that `$NAME` refers to, `.env` included.
    pub environment: BTreeMap<String, String>,
    /// Takes precedence over every other source of the project name.
    pub project_name: Option<String>,
}

/// Reads, merges and checks compose files.
///
/// # Errors
/// [`demo_config::Error`] for an invalid file, a missing required variable, an unsupported key, or a
/// reference to something undeclared; the message names the file, the service and the key.
/// [`Error`] for what is not at one place in a file.
pub fn load(sources: &Sources) -> Result<Project> {
    if sources.files.is_empty() {
        return Err(Error::NoFile.into());
    }
    let mut parsed = Vec::new();
    for file in &sources.files {
        let shown = file.path.strip_prefix(&sources.project_dir).unwrap_or(&file.path);
        let place = Place::of_file(&shown.display().to_string());
        parsed.push((yaml::parse(&file.text, &place)?, place));
    }
    let name = project_name::resolve(sources, &parsed)?;
    let mut variables = sources.environment.clone();
    variables.insert(project_name::VARIABLE.to_owned(), name.clone());

    let paths = normalise::Paths { project_dir: &sources.project_dir, variables: &variables };
    let mut merged = Map::new();
    for (mut file, place) in parsed {
        for (key, value) in &mut file {
            interpolate::in_place(value, &variables, Unset::Empty, &place.key(key))?;
        }
        let normalised = normalise::file(file, &place, &paths)?;
        // Checked per file, because after the merge it is unknown which file a key is from.
        project_from(&normalised, &name, &place)?;
        merge::file(&mut merged, normalised);
    }
    let files: Vec<String> = sources
        .files
        .iter()
        .filter_map(|f| Some(f.path.file_name()?.display().to_string()))
        .collect();
    let place = Place::of_file(&files.join(" + "));
    let mut project = project_from(&merged, &name, &place)?;
    project.fill_in(&variables);
    check::project(&project, &place)?;
    project.drop_unused();
    Ok(project)
}

/// The typed project of one normalised file, or of all of them merged.
fn project_from(
    normalised: &Map<String, Value>,
    name: &str,
    place: &Place,
) -> Result<Project, demo_config::Error> {
    let mut project = Project { name: name.to_owned(), ..Project::default() };
    for (key, value) in normalised {
        let place = place.key(key);
        match key.as_str() {
            "services" => project.services = entries(value, &place)?,
            "networks" => project.networks = entries(value, &place)?,
            "volumes" => project.volumes = entries(value, &place)?,
            _ if key.starts_with("x-") => {
                project.extensions.insert(key.clone(), value.clone());
            }
            _ => {}
        }
    }
    Ok(project)
}

/// The typed entries of a mapping by name.
fn entries<T>(value: &Value, place: &Place) -> Result<BTreeMap<String, T>, demo_config::Error>
where
    T: serde::de::DeserializeOwned,
{
    let mut typed = BTreeMap::new();
    for (name, entry) in value.as_object().into_iter().flatten() {
        let place = place.key(name);
        let entry = serde_path_to_error::deserialize(entry).map_err(|error| {
            let says = error.inner().to_string();
            let path = error.path().to_string();
            if says.starts_with("unknown field") {
                place.unknown(&path)
            } else if path == "." {
                place.invalid(says)
            } else {
                place.key(&path).invalid(says)
            }
        })?;
        typed.insert(name.clone(), entry);
    }
    Ok(typed)
}
