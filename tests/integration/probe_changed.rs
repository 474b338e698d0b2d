//! What differs from the expectations is named, and nothing else is.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::smoke_green::nothing_is_left;
use demo_test_support::{Demo, Project, server_binary, tool_stdout};

const EXPECTED: &str = include_str!("../../probes/expectations.json");

/// Probes that share two stacks, of several areas and verdicts.
const IDS: [&str; 7] = [
    "no-token-401",
    "cors-open-to-every-origin",
    "host-unknown-is-404",
    "sql-errors-inside-200",
    "sqlite-version",
    "jobs-endpoint-refused",
    "offline-writes-endpoints",
];

fn probing(project: &Project) -> Demo {
    project.demo(["probe", "-o", "json"]).args(IDS.map(|id| format!("--id={id}")))
}

/// The ids of what has changed; the others were seen as expected.
fn changed(report: &Value) -> Vec<&str> {
    let outcomes = report["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), IDS.len());
    let changes = report["changes"].as_array().unwrap();
    let ids: Vec<&str> = changes.iter().map(|change| change["id"].as_str().unwrap()).collect();
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    for outcome in outcomes {
        let id = outcome["id"].as_str().unwrap();
        let (saw, expected) = (&outcome["observation"], &expected["probes"][id]);
        if !ids.contains(&id) {
            assert_eq!(saw["finding"], expected["finding"], "{id}");
            assert_eq!(saw["verdict"], expected["verdict"], "{id}");
        }
    }
    ids
}

#[test]
fn an_expectation_changed_by_hand_makes_that_probe_changed() {
    let project = Project::new();
    let mut file: Value = serde_json::from_str(EXPECTED).unwrap();
    let truth = file["probes"]["sqlite-version"]["finding"].take();
    file["probes"]["sqlite-version"]["finding"] = "SQLite 2.8.17".into();
    project.write("probes/expectations.json", file.to_string());

    let report = probing(&project).exits(1).json();
    // Only here, where the expectation lies, is the answer the built-in truth.
    assert_eq!(changed(&report), ["sqlite-version"]);
    let change = &report["changes"][0];
    assert_eq!(change["expected"]["finding"], "SQLite 2.8.17");
    assert_eq!(change["saw"]["finding"], truth);

    let said = project.demo(["probe", "--id", "sqlite-version", "--id", "no-token-401"]).exits(1);
    assert!(said.stdout.contains("changed sqlite-version\n"), "{said:?}");
    assert!(!said.stdout.contains("changed no-token-401"), "{said:?}");

    // What was seen becomes what is expected; probes that did not run keep theirs.
    let update = ["probe", "--id", "sqlite-version", "--update-expectations"];
    project.demo(update).says("written").success();
    let updated: Value = serde_json::from_str(&project.read("probes/expectations.json")).unwrap();
    assert_eq!(updated, serde_json::from_str::<Value>(EXPECTED).unwrap());
    nothing_is_left(&project);
}

#[test]
fn a_server_that_lies_once_makes_that_probe_changed() {
    let lies = [
        ("GET /v1/jobs 200", "jobs-endpoint-refused"),
        ("GET /export/0 200", "offline-writes-endpoints"),
        ("OPTIONS /v2/pipeline 403", "cors-open-to-every-origin"),
    ];
    for (lie, id) in lies {
        let project = Project::new();
        let report = probing(&project).args([sqld_bin(&project, lie)]).exits(1).json();
        assert_eq!(changed(&report), [id], "{lie}");
        nothing_is_left(&project);
    }
}

/// Else the relay, and no lie, would be what was noticed.
#[test]
fn the_same_relay_without_a_lie_changes_nothing() {
    let project = Project::new();
    let report = probing(&project).args([sqld_bin(&project, "GET /nowhere 200")]).success().json();
    assert_eq!(changed(&report), [""; 0]);
    nothing_is_left(&project);
}

/// A program in the server's place, a fake: the real server behind a relay that gives
/// the answer to `METHOD PATH` another status.
fn sqld_bin(project: &Project, lie: &str) -> String {
    let node = tool_stdout("node", &["-p", "process.execPath"], project.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lying_server.js");
    let demo = env!("CARGO_BIN_EXE_demo");
    // Started by root, the relay is another user, who enters no `.local`.
    let server = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sqld-of-the-relay");
    if std::fs::hard_link(server_binary(), &server).is_err() {
        assert!(server.is_file());
    }
    let words = [node.trim(), script.to_str().unwrap(), demo, server.to_str().unwrap(), lie];
    project.write("liar", format!("#!/bin/sh\nexec {} \"$@\"\n", shell_words::join(words)));
    let path = project.join("liar");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    format!("--sqld-bin={}", path.display())
}
