//! What can be wrong with a project, other than at one place in a file.

/// What [`demo_config::Error`] does not cover.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No file was given.
    #[error("there is no compose file to read")]
    NoFile,
    /// The project has a name that Compose does not allow.
    #[error("{origin}: `{name}` is not a project name")]
    ProjectName {
        /// What the name is from: a variable, a place in a file, the folder or the caller.
        origin: String,
        /// The name.
        name: String,
    },
    /// Services depend on each other, so none of them can be the first.
    #[error("services depend on each other in a circle: {}", circle.join(" -> "))]
    Circle {
        /// Each depends on the next; the last is the first again.
        circle: Vec<String>,
    },
}
