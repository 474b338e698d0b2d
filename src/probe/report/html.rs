//! The report as one page: a filter, the evidence folded, nothing from elsewhere.

use askama::Template;

use super::ProbeReport;
use crate::error::Result;
use crate::probe::{Area, Outcome, Verdict};

#[derive(Template)]
#[template(path = "probe.html")]
struct Page<'a> {
    server: &'a str,
    engine: &'a str,
    day: String,
    changed: usize,
    verdicts: Vec<Choice>,
    areas: Vec<Choice>,
    rows: Vec<Row<'a>>,
}

/// A value to filter by.
struct Choice {
    value: &'static str,
    text: &'static str,
    count: usize,
}

struct Row<'a> {
    id: &'a str,
    verdict: &'static str,
    verdict_text: &'static str,
    area: &'static str,
    claim: &'a str,
    source: &'a str,
    why: &'a str,
    mitigation: &'a str,
    how: &'a str,
    finding: &'a str,
    evidence: &'a [String],
    changed: bool,
}

pub(super) fn render(report: &ProbeReport) -> Result<String> {
    let mut rows: Vec<Row<'_>> =
        Verdict::ALL.iter().flat_map(|v| report.with(*v)).map(|o| row(report, o)).collect();
    let undecided = report.outcomes.iter().filter(|outcome| outcome.observation.is_none());
    rows.splice(0..0, undecided.map(|outcome| row(report, outcome)));
    let verdicts = Verdict::ALL.map(|verdict| Choice {
        value: class(verdict),
        text: verdict.as_str(),
        count: report.with(verdict).count(),
    });
    let areas = Area::ALL.map(|area| Choice {
        value: area.as_str(),
        text: area.as_str(),
        count: report.outcomes.iter().filter(|outcome| outcome.entry.area == area).count(),
    });
    let page = Page {
        server: &report.server,
        engine: &report.engine,
        day: report.started_at.strftime("%Y-%m-%d").to_string(),
        changed: report.changes.len(),
        verdicts: verdicts.into(),
        areas: areas.into(),
        rows,
    };
    Ok(page.render()?)
}

fn row<'a>(report: &ProbeReport, outcome: &'a Outcome) -> Row<'a> {
    let entry = &outcome.entry;
    let seen = outcome.observation.as_ref();
    Row {
        id: entry.id,
        verdict: seen.map_or("undecided", |seen| class(seen.verdict)),
        verdict_text: seen.map_or("undecided", |seen| seen.verdict.as_str()),
        area: entry.area.as_str(),
        claim: entry.claim,
        source: entry.source,
        why: entry.why,
        mitigation: entry.mitigation,
        how: entry.how,
        finding: seen.map_or_else(
            || outcome.error.as_deref().unwrap_or_default(),
            |seen| seen.finding.as_str(),
        ),
        evidence: seen.map_or(&[], |seen| seen.evidence.as_slice()),
        changed: report.changes.iter().any(|change| change.id == entry.id),
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Weakness => "weakness",
        Verdict::Differs => "differs",
        Verdict::Undocumented => "undocumented",
        Verdict::AsDocumented => "as-documented",
    }
}
