//! What a run of probes found, in one list, and its forms.

mod html;
pub mod markdown;

use std::fmt::Write;

use jiff::Timestamp;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

use super::expectations::Change;
use super::{Area, Outcome, Verdict};
use demo_base::choice::Choice;
use demo_base::error::Result;
use demo_report::counted;
use demo_report::style::{self, paint};

/// Everything that a run of probes found.
#[derive(Debug, Serialize)]
pub struct ProbeReport {
    pub schema: u32,
    pub started_at: Timestamp,
    /// Engine and server, in words.
    pub engine: String,
    /// The server's version.
    pub server: String,
    pub outcomes: Vec<Outcome>,
    pub changes: Vec<Change>,
    /// Probes that make no sense on this engine: id and reason.
    pub left_out: Vec<(String, String)>,
    pub took_seconds: f64,
}

/// A format of a report file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    Text,
    Json,
    Junit,
    Markdown,
    /// A page for a browser.
    Html,
}

impl Choice for Format {
    const ALL: &'static [Self] = &[Self::Text, Self::Json, Self::Junit, Self::Markdown, Self::Html];

    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }
}

impl ProbeReport {
    /// The outcomes with this verdict, in the order of the ledger.
    fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(move |outcome| {
            outcome.observation.as_ref().is_some_and(|seen| seen.verdict == verdict)
        })
    }

    /// The report in `format`, without colour.
    ///
    /// # Errors
    /// When it cannot be serialised.
    pub fn render(&self, format: Format) -> Result<String> {
        match format {
            Format::Text => Ok(anstream::adapter::strip_str(&self.text(true)).to_string()),
            Format::Json => Ok(serde_json::to_string_pretty(self)? + "\n"),
            Format::Junit => self.junit(),
            Format::Markdown => Ok(self.markdown()),
            Format::Html => html::render(self),
        }
    }

    /// For a person, worst first; what is as documented only with `all`.
    pub fn text(&self, all: bool) -> String {
        let mut text = String::new();
        for verdict in Verdict::ALL {
            if verdict > Verdict::Differs && !all {
                continue;
            }
            for outcome in self.with(verdict) {
                text.push_str(&line(verdict, outcome));
            }
        }
        for outcome in self.outcomes.iter().filter(|outcome| outcome.observation.is_none()) {
            let error = outcome.error.as_deref().unwrap_or_default();
            let word = paint(style::BAD, "undecided    ");
            let _infallible = writeln!(text, "{word}  {:<28} {error}", outcome.entry.id);
        }
        let count = |verdict| self.with(verdict).count();
        let _infallible = writeln!(
            text,
            "\n{} weakness, {} differs, {} undocumented, {} as documented; changed since the \
             expectations: {}",
            count(Verdict::Weakness),
            count(Verdict::Differs),
            count(Verdict::Undocumented),
            count(Verdict::AsDocumented),
            self.changes.len()
        );
        for change in &self.changes {
            let expected = change.expected.as_ref().map_or("nothing", |e| e.finding.as_str());
            let saw = change.saw.as_ref().map_or("no decision", |e| e.finding.as_str());
            let _infallible = writeln!(
                text,
                "{} {}\n  expected  {expected}\n  saw       {saw}",
                paint(style::BAD, "changed"),
                change.id
            );
        }
        for (id, reason) in &self.left_out {
            let _infallible = writeln!(text, "left out {id}: {reason}");
        }
        text
    }

    /// The published table: what can lose data or let people in comes first.
    fn markdown(&self) -> String {
        let day = self.started_at.strftime("%Y-%m-%d").to_string();
        let mut seen = Vec::new();
        for outcome in &self.outcomes {
            if let Some(observation) = &outcome.observation {
                seen.push((&outcome.entry, observation.verdict, observation.finding.as_str()));
            }
        }
        markdown::page(&self.server, &day, &seen)
    }

    fn junit(&self) -> Result<String> {
        let mut junit = quick_junit::Report::new("demo probe");
        for &area in Area::ALL {
            let mut suite = TestSuite::new(area.word());
            for outcome in self.outcomes.iter().filter(|outcome| outcome.entry.area == area) {
                let changed = self.changes.iter().find(|change| change.id == outcome.entry.id);
                let status = match changed {
                    None => TestCaseStatus::success(),
                    Some(change) => {
                        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                        status.set_message(format!("{change:?}"));
                        status
                    }
                };
                suite.add_test_case(TestCase::new(outcome.entry.id, status));
            }
            junit.add_test_suite(suite);
        }
        Ok(junit.to_string()?)
    }
}

fn line(verdict: Verdict, outcome: &Outcome) -> String {
    let look = match verdict {
        Verdict::Weakness => style::BAD,
        Verdict::Differs => style::NOTE,
        Verdict::Undocumented => style::HINT,
        Verdict::AsDocumented => style::GOOD,
    };
    let finding = outcome.observation.as_ref().map_or("", |seen| seen.finding.as_str());
    let mut text = format!(
        "{}  {} {finding}\n",
        paint(look, format!("{:<13}", verdict.as_str())),
        paint(style::NAME, format!("{:<28}", outcome.entry.id)),
    );
    if verdict <= Verdict::Differs {
        let _infallible = writeln!(
            text,
            "{:>15}claimed: {}\n{:>15}do: {}",
            "", outcome.entry.source, "", outcome.entry.mitigation
        );
    }
    text
}

/// A line that moves on a terminal: how many are done.
pub fn progress(done: usize, all: usize) -> String {
    format!("{} of {}", counted(done, "probe"), all)
}
