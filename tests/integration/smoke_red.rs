//! `demo smoke` goes red when the servers misbehave, and says where and why.

use serde_json::Value;

use crate::smoke_green::{ephemeral, nothing_is_left};
use demo_test_support::processes::kill_server;
use demo_test_support::{Background, Project, until};

const NAMESPACED: &str = "docker-compose.namespaced.yml";
const FLAGS: &str = ", --enable-namespaces, --disable-default-namespace";

/// Runs `scenario` in JSON and text at once; it ends with `code`. Returns the
/// checks with `outcome`.
fn run(project: &Project, scenario: &str, code: i32, outcome: &str) -> Vec<Value> {
    let arguments = ["smoke", "--scenario", scenario, "--report", "json=r.json"];
    let said = project.demo(arguments).exits(code);
    nothing_is_left(project);
    let json: Value = serde_json::from_str(&project.read("r.json")).unwrap();
    let checks = json["scenarios"][0]["checks"].as_array().unwrap().clone();
    let found: Vec<Value> = checks.into_iter().filter(|c| c["outcome"] == outcome).collect();
    if code == 1 {
        for part in ["FAILED", "again: demo smoke --scenario", "last lines of primary's log:"] {
            assert!(said.stderr.contains(part), "{part}: {said:?}");
        }
        for check in &found {
            let name = check["name"].as_str().unwrap();
            let expected = check["expected"].as_str().unwrap();
            let lines = format!("\n  {name}\n    expected  {expected}\n    saw       ");
            assert!(said.stderr.contains(&lines), "{lines}: {said:?}");
            assert!(check["log"].as_str().unwrap().contains("primary"), "{check}");
        }
    }
    found
}

fn names(checks: &[Value]) -> Vec<&str> {
    checks.iter().map(|check| check["name"].as_str().unwrap()).collect()
}

#[test]
fn a_server_that_asks_for_no_token() {
    let project = Project::new();
    let line = "      SQLD_AUTH_JWT_KEY_FILE: /run/demo/jwt.pub\n";
    project.edit("docker-compose.yml", line, "");
    let failed = run(&project, "namespaces", 1, "failed");
    for name in
        ["no token is refused", "an expired token is refused", "a read-only token does not write"]
    {
        assert!(names(&failed).contains(&name), "{name}: {failed:?}");
    }
    let failed = run(&project, "default-replication", 1, "failed");
    let both = ["primary", "replica"].map(|s| format!("the {s} refuses a request without a token"));
    assert_eq!(names(&failed), both);
    assert_eq!(failed[0]["expected"], "401");
    assert!(failed[0]["saw"].as_str().unwrap().starts_with("200"), "{failed:?}");
}

#[test]
fn a_primary_without_namespaces() {
    let project = Project::new();
    project.edit(NAMESPACED, FLAGS, "");
    let failed = run(&project, "namespaces", 1, "failed");
    for name in ["an unknown namespace is refused", "a deleted namespace is gone from the primary"]
    {
        assert!(names(&failed).contains(&name), "{name}: {failed:?}");
    }
}

/// The four runs wait for a replica that never comes: together, not in turn.
#[test]
fn a_replica_that_does_not_follow() {
    let nowhere = Project::new();
    let url = ["http://primary:5001", "http://nowhere.invalid:5001"];
    nowhere.edit("docker-compose.yml", url[0], url[1]);
    let without_flag = [Project::new(), Project::new()];
    for project in &without_flag {
        let replica = format!("replica:\n    command: [/bin/sqld, --no-welcome{FLAGS}]");
        project.edit(NAMESPACED, &replica, &replica.replace(FLAGS, ""));
    }
    let [known, pass] = without_flag;
    pass.write(".env", "EXPECT_NAMESPACE_REPLICA=pass\n");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let failed = run(&nowhere, "default-replication", 1, "failed");
            assert_eq!(names(&failed), ["the replica reaches the primary's replication index"]);
            assert_eq!(failed[0]["expected"], "the same index");
            let log = failed[0]["log"].as_str().unwrap();
            assert!(log.contains("error connecting to primary"), "{log}");
        });
        scope.spawn(|| {
            let failed = run(&pass, "namespace-replica", 1, "failed");
            let row = "the replica reads the row of `shop`, and no other";
            assert!(names(&failed).contains(&row), "{failed:?}");
        });
        scope.spawn(|| {
            let recorded = run(&known, "namespace-replica", 0, "known");
            assert!(!recorded.is_empty());
            assert_eq!(run(&known, "namespace-replica", 0, "failed"), Vec::<Value>::new());
        });
    });
}

#[test]
fn a_login_instance_that_dies() {
    let project = Project::new();
    let arguments = ["smoke", "--scenario", "shared-login", "--report", "json=r.json"];
    let mut run = Background::start(project.command(arguments));
    let file = |path: &str| {
        let folder = ephemeral(&project).pop()?;
        std::fs::read_to_string(project.local("run/ephemeral").join(folder).join(path)).ok()
    };
    let listens = || file("logs/auth-embedded.log").is_some_and(|log| log.contains("listening"));
    until("the instance listens", listens);
    let pid = file("run/auth-embedded.pid").unwrap().trim().parse().unwrap();
    kill_server(project.path(), pid);
    run.until_says("FAILED");
    run.until_says("last lines of auth-embedded's log:");
    assert_eq!(run.end().code(), Some(1));
    nothing_is_left(&project);
    // Its other half, which lives, is not blamed.
    let report = project.read("r.json");
    assert!(!report.contains("auth-remote ended"), "{report}");
}

#[test]
fn a_server_that_does_not_start() {
    let project = Project::new();
    let flag = "[/bin/sqld, --no-welcome]";
    project.edit("docker-compose.yml", flag, "[/bin/sqld, --no-welcome, --no-such-flag]");
    let arguments = ["smoke", "--scenario", "default-replication"];
    let mut run = Background::start(project.command(arguments));
    run.until_says("ended early");
    run.until_says("--no-such-flag");
    assert_eq!(run.end().code(), Some(1));
    nothing_is_left(&project);
}
