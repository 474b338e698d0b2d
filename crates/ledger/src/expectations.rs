//! What every probe is expected to see, for one version of the server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Outcome, Verdict};
use crate::Error;
use demo_base::error::Result;
use demo_base::files;

const BUILT_IN: &str = include_str!("../assets/expectations.json");
const SCHEMA: u32 = 1;

/// The file of expectations.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    schema: u32,
    /// The server's version that they were made with.
    pub server: String,
    pub probes: BTreeMap<String, Expectation>,
}

/// What one probe is expected to see.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    pub verdict: Verdict,
    pub finding: String,
}

/// A probe that saw something else.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    pub id: String,
    /// `None`: there was no expectation.
    pub expected: Option<Expectation>,
    /// `None`: the probe could not be decided.
    pub saw: Option<Expectation>,
}

/// Where a project keeps its own.
pub fn path(project_dir: &Path) -> PathBuf {
    project_dir.join("probes/expectations.json")
}

impl Expectations {
    /// The project's own, else the ones that are built in.
    ///
    /// # Errors
    /// [`Error::ExpectationsUnreadable`], [`Error::ExpectationsVersion`]; when the file cannot be
    /// read.
    pub fn load(project_dir: &Path) -> Result<Self> {
        let path = path(project_dir);
        let (text, place) = if path.is_file() {
            (files::read_text(&path, "file of expectations")?, path.display().to_string())
        } else {
            (BUILT_IN.to_owned(), "the built-in expectations".to_owned())
        };
        let unreadable = |source| Error::ExpectationsUnreadable { place: place.clone(), source };
        let read: Self = serde_json::from_str(&text).map_err(unreadable)?;
        if read.schema == SCHEMA {
            return Ok(read);
        }
        let found = read.schema;
        Err(Error::ExpectationsVersion { place, found, known: SCHEMA }.into())
    }

    /// These expectations, updated with what was seen; probes that did not run keep theirs.
    #[must_use]
    pub fn updated(mut self, server: &str, outcomes: &[Outcome]) -> Self {
        server.clone_into(&mut self.server);
        for outcome in outcomes {
            if let Some(saw) = saw(outcome) {
                self.probes.insert(outcome.entry.id.to_owned(), saw);
            }
        }
        let known = |id: &str| super::entries::probes().any(|probe| probe.id == id);
        self.probes.retain(|id, _| known(id));
        self
    }

    /// Writes them to the project.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn save(&self, project_dir: &Path) -> Result<()> {
        let path = path(project_dir);
        if let Some(folder) = path.parent() {
            files::create_dir(folder, files::MODE_SHARED_DIR)?;
        }
        let text = serde_json::to_string_pretty(self)? + "\n";
        Ok(files::write_atomic(&path, text.as_bytes(), files::MODE_SHARED)?)
    }

    /// What has changed.
    pub fn changes(&self, outcomes: &[Outcome]) -> Vec<Change> {
        let change = |outcome: &Outcome| {
            let expected = self.probes.get(outcome.entry.id).cloned();
            let saw = saw(outcome);
            (saw.is_none() || expected != saw).then(|| Change {
                id: outcome.entry.id.to_owned(),
                expected,
                saw,
            })
        };
        outcomes.iter().filter_map(change).collect()
    }
}

fn saw(outcome: &Outcome) -> Option<Expectation> {
    let observation = outcome.observation.as_ref()?;
    Some(Expectation { verdict: observation.verdict, finding: observation.finding.clone() })
}
