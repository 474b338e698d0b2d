//! The report for CI systems: `JUnit` XML.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::{Check, Outcome, Report, ScenarioReport};
use demo_base::error::Result;

pub fn render(report: &Report) -> Result<String> {
    let mut junit = quick_junit::Report::new("demo smoke");
    junit.set_time(report.took);
    for scenario in &report.scenarios {
        junit.add_test_suite(suite(scenario));
    }
    Ok(junit.to_string()?)
}

fn suite(scenario: &ScenarioReport) -> TestSuite {
    let mut suite = TestSuite::new(scenario.name.as_str());
    suite.set_time(scenario.took);
    for check in &scenario.checks {
        suite.add_test_case(case(scenario, check));
    }
    if let Some(stopped) = &scenario.stopped {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(stopped.error.as_str());
        if let Some(log) = &stopped.log {
            status.set_description(log.as_str());
        }
        suite.add_test_case(TestCase::new("runs to its end", status));
    }
    suite
}

fn case(scenario: &ScenarioReport, check: &Check) -> TestCase {
    let said = format!("expected: {}\nsaw: {}", check.expected, check.saw);
    let status = match check.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Known => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("known limitation; {said}"));
            status
        }
        Outcome::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(said.as_str());
            if let Some(log) = &check.log {
                status.set_description(log.as_str());
            }
            status
        }
    };
    let mut case = TestCase::new(check.name.as_str(), status);
    case.set_classname(scenario.name.as_str());
    case.set_time(check.took);
    case
}
