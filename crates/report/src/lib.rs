//! The results of a run, and the formats in which they are reported.

mod junit;
mod markdown;
pub use self::markdown::cell;
pub mod style;
pub mod text;

use demo_base::choice::Choice;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use demo_base::error::Result;

/// All results of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub schema: u32,
    pub started_at: Timestamp,
    /// Engine and server, as in the first line of the run.
    pub engine: String,
    pub scenarios: Vec<ScenarioReport>,
    #[serde(rename = "took_seconds", serialize_with = "seconds")]
    pub took: Duration,
}

/// The results of one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct ScenarioReport {
    pub name: String,
    pub checks: Vec<Check>,
    /// Why the scenario ended before its last check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// A sentence for the summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(rename = "took_seconds", serialize_with = "seconds")]
    pub took: Duration,
}

/// The failure that ended a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Stopped {
    pub error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// The result of one check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub name: String,
    pub outcome: Outcome,
    pub expected: String,
    pub saw: String,
    /// The servers' last log lines, for a check that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    #[serde(rename = "took_seconds", serialize_with = "seconds")]
    pub took: Duration,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As expected.
    Passed,
    /// Not as expected.
    Failed,
    /// Not as expected, but known and tolerated.
    Known,
}

/// A format of a report file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    Text,
    Json,
    Junit,
    Markdown,
}

impl Choice for Format {
    const ALL: &'static [Self] = &[Self::Text, Self::Json, Self::Junit, Self::Markdown];

    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
        }
    }
}

/// Version of the JSON format.
pub const SCHEMA: u32 = 1;

impl Report {
    /// Whether every check came out as expected or as known.
    pub fn passed(&self) -> bool {
        self.scenarios.iter().all(ScenarioReport::passed)
    }

    /// How many checks there are.
    pub fn check_count(&self) -> usize {
        self.scenarios.iter().map(|scenario| scenario.checks.len()).sum()
    }

    /// The report in `format`, without colour.
    ///
    /// # Errors
    /// When it cannot be serialised.
    pub fn render(&self, format: Format) -> Result<String> {
        match format {
            Format::Text => Ok(anstream::adapter::strip_str(&text::render(self)).to_string()),
            Format::Json => Ok(serde_json::to_string_pretty(self)? + "\n"),
            Format::Junit => junit::render(self),
            Format::Markdown => Ok(markdown::render(self)),
        }
    }
}

impl ScenarioReport {
    /// Whether the scenario ran to its end and no check failed.
    pub fn passed(&self) -> bool {
        self.stopped.is_none() && self.count(Outcome::Failed) == 0
    }

    /// How many checks came out as `outcome`.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }

    /// How to run this scenario again and look at its servers.
    pub fn again(&self) -> String {
        format!("demo smoke --scenario {} --keep", self.name)
    }
}

/// `1 check`, `2 checks`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests;
