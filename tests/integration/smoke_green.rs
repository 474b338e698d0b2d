//! `demo smoke` when all is well: green, reported, gone.

use std::fs;
use std::path::Path;

use demo_test_support::processes::servers_in;
use demo_test_support::{Background, Project};

const SCENARIOS: [&str; 6] = [
    "default-replication",
    "namespaces",
    "namespace-replica",
    "tls-replication",
    "embedded-replica",
    "shared-login",
];

/// The one check that records a weakness of the server.
const KNOWN: &str = "the server refuses it for another namespace";

pub fn nothing_is_left(project: &Project) {
    assert_eq!(servers_in(project.path()), [0; 0]);
    assert_eq!(ephemeral(project), [""; 0]);
}

/// The folders of ephemeral stacks.
pub fn ephemeral(project: &Project) -> Vec<String> {
    let Ok(entries) = fs::read_dir(project.local("run/ephemeral")) else {
        return Vec::new();
    };
    let folders = entries.map(Result::unwrap).filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn every_scenario_is_green_and_reported_in_every_form() {
    let project = Project::new();
    let reports = ["text=r.txt", "json=r.json", "junit=r.xml", "markdown=r.md"];
    let said = project.demo(["smoke"]).args(reports.map(|to| format!("--report={to}"))).success();
    for name in SCENARIOS {
        assert!(said.stderr.contains(name), "{said:?}");
        assert!(said.stdout.contains(&format!("{name}\n  ok")), "a table of checks: {said:?}");
    }
    assert!(said.stderr.contains("digest verified"), "{said:?}");
    assert!(said.stdout.trim_end().ends_with("Nothing left running."), "{said:?}");
    assert!(!said.stdout.contains("FAILED"), "{said:?}");
    assert_eq!(said.stdout.matches("\n  known ").count(), 1, "{said:?}");
    nothing_is_left(&project);

    let json: serde_json::Value = serde_json::from_str(&project.read("r.json")).unwrap();
    assert_eq!(json["schema"], 1);
    let scenarios = json["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.iter().map(|s| &s["name"]).collect::<Vec<_>>(), SCENARIOS);
    let checks: Vec<_> = scenarios.iter().flat_map(|s| s["checks"].as_array().unwrap()).collect();
    assert!(checks.len() >= 36, "{}", checks.len());
    for check in &checks {
        let outcome = if check["name"] == KNOWN { "known" } else { "passed" };
        assert_eq!(check["outcome"], outcome, "{check}");
        assert!(check["took_seconds"].as_f64().unwrap() >= 0.0, "{check}");
        assert!(check["expected"].is_string() && check["saw"].is_string(), "{check}");
    }
    let xml = project.read("r.xml");
    assert!(xml.starts_with("<?xml version=\"1.0\""), "{xml}");
    assert_eq!(xml.matches("<testsuite ").count(), SCENARIOS.len());
    assert_eq!(xml.matches("<testcase ").count(), checks.len());
    assert!(!xml.contains("<failure") && !xml.contains('\u{1b}'));
    well_formed(&project.join("r.xml"));
    let (text, markdown) = (project.read("r.txt"), project.read("r.md"));
    assert!(text.contains("Nothing") || text.contains("6 scenarios"), "{text}");
    assert!(SCENARIOS.iter().all(|name| text.contains(name) && markdown.contains(name)));
    assert!(!text.contains('\u{1b}'), "no colour in a file");
}

/// Every element that is opened is closed, in order.
pub fn well_formed(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let mut open = Vec::new();
    for tag in text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') && !tag.starts_with(['?', '!']) {
            open.push(tag.split_whitespace().next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn two_runs_at_once_leave_a_standing_stack_alone() {
    let project = Project::up(&[]);
    project.demo(["run", "--label", "mine"]).success();
    let before = servers_in(project.path());
    let mut runs: Vec<Background> =
        (0..2).map(|_| Background::start(project.command(["smoke", "--jobs", "4"]))).collect();
    for run in &mut runs {
        assert_eq!(run.end().code(), Some(0));
    }
    assert_eq!(servers_in(project.path()), before);
    assert_eq!(ephemeral(&project), [""; 0]);
    project.demo(["count"]).prints("1\n").success();
}

#[test]
fn kept_servers_stay_until_cleanup() {
    let project = Project::new();
    let scenario = ["smoke", "--scenario", "namespaces"];
    let said = project.demo(scenario).args(["--keep"]).says("kept").success();
    assert!(!said.stdout.contains("Nothing left running"), "{said:?}");
    assert_eq!(servers_in(project.path()).len(), 2);
    assert_eq!(ephemeral(&project).len(), 1);
    // Kept on purpose: the next run does not sweep it.
    project.demo(scenario).success();
    assert_eq!(servers_in(project.path()).len(), 2);
    project.demo(["cleanup"]).says("1 ephemeral stack").success();
    nothing_is_left(&project);
}
