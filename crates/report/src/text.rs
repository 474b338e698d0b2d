//! The report as text: one line for each scenario, followed by the failures.

use std::fmt::Write;

use anstyle::Style;

use super::{Check, Outcome, Report, ScenarioReport, counted};
use crate::style::{self, paint};

/// The whole report.
pub fn render(report: &Report) -> String {
    let mut text = format!("{}\n\n", engine_line(report));
    for scenario in &report.scenarios {
        text.push_str(&scenario_text(scenario));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&table(report));
    text.push('\n');
    text.push_str(&summary(report));
    text.push('\n');
    text
}

/// `engine    native: ...`
pub fn engine_line(report: &Report) -> String {
    format!("engine    {}", report.engine)
}

/// One scenario: its line, and every check that did not pass.
pub fn scenario_text(scenario: &ScenarioReport) -> String {
    let (word, look) = verdict(scenario);
    let mut text = format!(
        "{} {:>10}   {:.2} s   {}",
        paint(style::NAME, format!("{:<22}", scenario.name)),
        counted(scenario.checks.len(), "check"),
        scenario.took.as_secs_f64(),
        paint(look, word),
    );
    if let Some(note) = &scenario.note {
        let _infallible = write!(text, "    {note}");
    }
    for check in scenario.checks.iter().filter(|check| check.outcome == Outcome::Failed) {
        text.push_str(&failure(check));
    }
    if let Some(stopped) = &scenario.stopped {
        let _infallible = write!(text, "\n  ended early\n    {}", indent(&stopped.error, 4));
        if let Some(log) = &stopped.log {
            let _infallible = write!(text, "\n    {}", indent(log, 4));
        }
    }
    if !scenario.passed() {
        let _infallible = write!(text, "\n  again: {}", paint(style::HINT, scenario.again()));
    }
    text
}

/// Every check on a line of its own.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    for scenario in &report.scenarios {
        let _infallible = writeln!(text, "{}", paint(style::NAME, &scenario.name));
        for check in &scenario.checks {
            let (word, look) = match check.outcome {
                Outcome::Passed => ("ok    ", style::GOOD),
                Outcome::Failed => ("FAILED", style::BAD),
                Outcome::Known => ("known ", style::NOTE),
            };
            let _infallible = writeln!(
                text,
                "  {} {:>6.1} ms  {}  {}",
                paint(look, word),
                check.took.as_secs_f64() * 1e3,
                check.name,
                paint(style::FAINT, format!("[{}]", one_line(&check.saw))),
            );
        }
    }
    text
}

/// The last line.
pub fn summary(report: &Report) -> String {
    let failed: usize = report.scenarios.iter().map(|s| s.count(Outcome::Failed)).sum();
    let stopped = report.scenarios.iter().filter(|s| s.stopped.is_some()).count();
    let mut text = format!(
        "{} in {}, {:.1} s",
        counted(report.check_count(), "check"),
        counted(report.scenarios.len(), "scenario"),
        report.took.as_secs_f64(),
    );
    if failed > 0 {
        let _infallible = write!(text, ", {}", paint(style::BAD, format!("{failed} failed")));
    }
    if stopped > 0 {
        let words = format!("{} ended early", counted(stopped, "scenario"));
        let _infallible = write!(text, ", {}", paint(style::BAD, words));
    }
    text + "."
}

fn verdict(scenario: &ScenarioReport) -> (&'static str, Style) {
    if !scenario.passed() {
        ("FAILED", style::BAD)
    } else if scenario.count(Outcome::Known) > 0 {
        ("known", style::NOTE)
    } else {
        ("ok", style::GOOD)
    }
}

fn failure(check: &Check) -> String {
    let mut text = format!(
        "\n  {}\n    expected  {}\n    saw       {}",
        paint(style::BAD, &check.name),
        check.expected,
        indent(&check.saw, 14),
    );
    if let Some(log) = &check.log {
        let _infallible = write!(text, "\n    {}", indent(log, 4));
    }
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// All lines after the first moved to the right.
fn indent(text: &str, by: usize) -> String {
    text.replace('\n', &format!("\n{}", " ".repeat(by)))
}
