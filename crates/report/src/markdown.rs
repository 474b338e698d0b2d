//! The report as Markdown, for a pull request or a job summary.

use std::fmt::Write;

use super::{Outcome, Report, counted, text};

pub fn render(report: &Report) -> String {
    let verdict = if report.passed() { "passed" } else { "FAILED" };
    let mut page = format!("# Smoke run {verdict}\n\n{}\n", cell(&report.engine));
    for scenario in &report.scenarios {
        let _infallible = write!(
            page,
            "\n## {}: {}, {:.2} s\n\n",
            cell(&scenario.name),
            counted(scenario.checks.len(), "check"),
            scenario.took.as_secs_f64(),
        );
        if let Some(note) = &scenario.note {
            let _infallible = write!(page, "{}\n\n", cell(note));
        }
        page.push_str("| | check | expected | saw | ms |\n| --- | --- | --- | --- | ---: |\n");
        for check in &scenario.checks {
            let word = match check.outcome {
                Outcome::Passed => "ok",
                Outcome::Failed => "**FAILED**",
                Outcome::Known => "known",
            };
            let _infallible = writeln!(
                page,
                "| {word} | {} | {} | {} | {:.1} |",
                cell(&check.name),
                cell(&check.expected),
                cell(&check.saw),
                check.took.as_secs_f64() * 1e3,
            );
        }
        let logs = scenario.checks.iter().filter_map(|check| check.log.as_deref());
        let stopped = scenario.stopped.iter().map(|stopped| stopped.error.as_str());
        for block in stopped.chain(logs) {
            // No content can end a block that is indented by four spaces.
            let block = block.replace('\n', "\n    ");
            let _infallible = write!(page, "\n    {block}\n");
        }
        if !scenario.passed() {
            let _infallible = write!(page, "\nAgain: `{}`\n", scenario.again());
        }
    }
    let summary = anstream::adapter::strip_str(&text::summary(report)).to_string();
    let _infallible = write!(page, "\n{summary}\n");
    page
}

/// Escapes text so that it cannot end a table cell or be read as HTML.
pub fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => safe.extend(['\\', character]),
            '<' => safe.push_str("&lt;"),
            '\n' | '\r' => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}
