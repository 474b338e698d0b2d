//! The formats of a report that contains every kind of result.

use super::*;

fn report() -> Report {
    let check = |name: &str, outcome, saw: &str| Check {
        name: name.into(),
        outcome,
        expected: "401 from the primary".into(),
        saw: saw.into(),
        log: (outcome == Outcome::Failed).then(|| "last lines of primary's log:\n    x".into()),
        took: Duration::from_micros(1500),
    };
    Report {
        schema: SCHEMA,
        started_at: Timestamp::UNIX_EPOCH,
        engine: "native".into(),
        scenarios: vec![
            ScenarioReport {
                name: "namespaces".into(),
                checks: vec![
                    check("no token", Outcome::Passed, "401"),
                    check("expired | token", Outcome::Failed, "200 <b>`x`\nmore"),
                    check("replica", Outcome::Known, "404"),
                ],
                stopped: None,
                note: None,
                took: Duration::from_millis(910),
            },
            ScenarioReport {
                name: "tls".into(),
                checks: Vec::new(),
                stopped: Some(Stopped { error: "primary ended".into(), log: None }),
                note: Some("a note".into()),
                took: Duration::from_millis(5),
            },
        ],
        took: Duration::from_secs(1),
    }
}

#[test]
fn text() {
    insta::assert_snapshot!(report().render(Format::Text).unwrap());
}

#[test]
fn json() {
    insta::assert_snapshot!(report().render(Format::Json).unwrap());
}

#[test]
fn junit() {
    insta::assert_snapshot!(report().render(Format::Junit).unwrap());
}

#[test]
fn markdown() {
    insta::assert_snapshot!(report().render(Format::Markdown).unwrap());
}

#[test]
fn one_failure_or_one_early_end_is_red() {
    let mut report = report();
    assert!(!report.passed());
    report.scenarios.remove(0);
    assert!(!report.passed());
    report.scenarios[0].stopped = None;
    assert!(report.passed());
}
