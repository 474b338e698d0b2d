//! The report as one page: a filter, the evidence folded, nothing from elsewhere.

use askama::Template;

use super::ProbeReport;
use crate::{Area, Outcome, Verdict};
use demo_base::choice::Choice as _;
use demo_base::error::Result;

#[derive(Template)]
#[template(path = "probe.html")]
struct Page<'a> {
    server: &'a str,
    engine: &'a str,
    day: String,
    changed: usize,
    verdicts: Vec<Filter>,
    areas: Vec<Filter>,
    rows: Vec<Row<'a>>,
}

/// A value to filter by.
struct Filter {
    value: &'static str,
    text: &'static str,
    count: usize,
}

/// The texts are HTML already: see [`marked`].
struct Row<'a> {
    id: &'a str,
    verdict: &'static str,
    verdict_text: &'static str,
    area: &'static str,
    claim: String,
    source: String,
    why: String,
    mitigation: String,
    how: String,
    finding: String,
    evidence: &'a [String],
    changed: bool,
}

pub(super) fn render(report: &ProbeReport) -> Result<String> {
    let mut rows: Vec<Row<'_>> =
        Verdict::ALL.iter().flat_map(|v| report.with(*v)).map(|o| row(report, o)).collect();
    let undecided = report.outcomes.iter().filter(|outcome| outcome.observation.is_none());
    rows.splice(0..0, undecided.map(|outcome| row(report, outcome)));
    let verdicts = Verdict::ALL.map(|verdict| Filter {
        value: class(verdict),
        text: verdict.as_str(),
        count: report.with(verdict).count(),
    });
    let areas = Area::ALL.iter().map(|area| Filter {
        value: area.word(),
        text: area.word(),
        count: report.outcomes.iter().filter(|outcome| outcome.entry.area == *area).count(),
    });
    let page = Page {
        server: &report.server,
        engine: &report.engine,
        day: report.started_at.strftime("%Y-%m-%d").to_string(),
        changed: report.changes.len(),
        verdicts: verdicts.into(),
        areas: areas.collect(),
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
        area: entry.area.word(),
        claim: marked(entry.claim),
        source: marked(entry.source),
        why: marked(entry.why),
        mitigation: marked(entry.mitigation),
        how: marked(entry.how),
        finding: marked(seen.map_or_else(
            || outcome.error.as_deref().unwrap_or_default(),
            |seen| seen.finding.as_str(),
        )),
        evidence: seen.map_or(&[], |seen| seen.evidence.as_slice()),
        changed: report.changes.iter().any(|change| change.id == entry.id),
    }
}

/// `text` as HTML, with what stands between backticks as code. A lone backtick stays.
fn marked(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    let parts: Vec<&str> = text.split('`').collect();
    for (at, part) in parts.iter().enumerate() {
        let paired = at + 1 < parts.len();
        match (at % 2 == 1, paired) {
            (true, true) => {
                html.push_str("<code>");
                escape(part, &mut html);
                html.push_str("</code>");
            }
            (inside, _) => {
                if inside {
                    html.push('`');
                }
                escape(part, &mut html);
            }
        }
    }
    html
}

fn escape(text: &str, html: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
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

#[cfg(test)]
mod tests {
    use super::marked;

    #[test]
    fn code_is_marked_and_everything_is_escaped() {
        assert_eq!(marked("a `b<c` & \"d\""), "a <code>b&lt;c</code> &amp; &quot;d&quot;");
        assert_eq!(marked("`a` and `b`"), "<code>a</code> and <code>b</code>");
        assert_eq!(marked("a lone ` stays"), "a lone ` stays");
        assert_eq!(marked("`<script>`"), "<code>&lt;script&gt;</code>");
    }
}
