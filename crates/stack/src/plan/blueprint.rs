//! Which compose files make a stack, and which values they interpolate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StackPlan;
use crate::assets::{self, Asset};
use demo_base::error::Result;
use demo_base::files;
use demo_compose::{SourceFile, Sources};

/// The variable of the compose files that holds the key of the Admin API.
pub const LIBSQL_ADMIN_AUTH_KEY: &str = "LIBSQL_ADMIN_AUTH_KEY";

/// The variants that are added to the base stack.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Variants {
    /// Namespaces enabled, without a default namespace.
    pub namespaced: bool,
    /// Mutual TLS between primary and replica.
    pub tls: bool,
}

impl Variants {
    /// Only the base stack.
    pub const DEFAULT: Self = Self { namespaced: false, tls: false };
    /// Namespaces.
    pub const NAMESPACED: Self = Self { namespaced: true, tls: false };
    /// Mutual TLS.
    pub const TLS: Self = Self { namespaced: false, tls: true };

    fn assets(self) -> Vec<Asset> {
        let mut assets = vec![assets::BASE];
        if self.namespaced {
            assets.push(assets::NAMESPACED);
        }
        if self.tls {
            assets.push(assets::TLS);
        }
        if self.namespaced && self.tls {
            assets.push(assets::NAMESPACED_TLS);
        }
        assets
    }

    /// The variants as one word, such as `namespaced+tls`.
    pub fn label(self) -> &'static str {
        match (self.namespaced, self.tls) {
            (false, false) => "default",
            (true, false) => "namespaced",
            (false, true) => "tls",
            (true, true) => "namespaced+tls",
        }
    }
}

/// The project's compose files, not read yet.
#[derive(Clone, Debug)]
pub struct Blueprint {
    project_dir: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Blueprint {
    /// The files of `project_dir`, or the built-in ones if it has no docker-compose.yml;
    /// `variables` are the values they interpolate.
    pub fn new(project_dir: &Path, variables: &BTreeMap<String, String>) -> Self {
        Self { project_dir: project_dir.to_path_buf(), variables: variables.clone() }
    }

    /// The same files with another value of one variable.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The plan of the standing stack.
    ///
    /// # Errors
    /// [`demo_base::Error`] for a compose file that cannot be read, an error of [`demo_compose`] for
    /// one that is wrong; as [`StackPlan::build`].
    pub fn standing(&self, variants: Variants) -> Result<StackPlan> {
        self.plan(variants, &self.project_dir, None)
    }

    /// The plan of an ephemeral stack whose files are all under `folder`.
    ///
    /// # Errors
    /// As [`Blueprint::standing`].
    pub fn ephemeral(&self, variants: Variants, folder: &Path, name: &str) -> Result<StackPlan> {
        self.plan(variants, folder, Some(name))
    }

    fn plan(&self, variants: Variants, folder: &Path, name: Option<&str>) -> Result<StackPlan> {
        let on_disk = self.project_dir.join(assets::BASE.name).is_file();
        let mut files = Vec::new();
        for asset in variants.assets() {
            let path = self.project_dir.join(asset.name);
            let text = if on_disk {
                files::read_text(&path, "compose file")?
            } else {
                asset.text.to_owned()
            };
            files.push(SourceFile { path, text });
        }
        let config_files = files.iter().map(|file| file.path.clone()).collect();
        let project = demo_compose::load(&Sources {
            files,
            project_dir: folder.to_path_buf(),
            environment: self.variables.clone(),
            project_name: name.map(str::to_owned),
        })?;
        StackPlan::build(&project, folder.to_path_buf(), config_files)
    }
}
