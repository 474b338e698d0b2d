//! The standing stack: up, status, restart, down, cleanup.

use std::collections::BTreeMap;
use std::fs;

use demo_test_support::processes::servers_in;
use demo_test_support::{Project, tool_stdout};

/// Service to `pid N`.
fn ids(project: &Project) -> BTreeMap<String, String> {
    let status = project.demo(["status", "-o", "json"]).success().json();
    let services = status["services"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    services.map(|service| (text(&service["name"]), text(&service["id"]))).collect()
}

#[test]
fn a_stack_stays_until_it_is_taken_down() {
    let project = Project::up(&[]);
    let before = ids(&project);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["primary", "replica"]);

    let again = project.demo(["up"]).success();
    assert!(again.stderr.contains("is running already"), "{again:?}");
    assert_eq!(ids(&project), before);

    project.demo(["run", "--label", "stays"]).success();
    status_forms(&project);

    project.demo(["restart", "replica"]).says("restarted in").success();
    let after = ids(&project);
    assert_eq!(after["primary"], before["primary"]);
    assert_ne!(after["replica"], before["replica"]);
    project.demo(["restart", "nobody"]).says("no service `nobody`").fails(5).hint("replica");
    project.demo(["count", "--target", "replica", "--wait"]).prints("1\n").success();

    project.demo(["down"]).says("the data stays").success();
    assert!(servers_in(project.path()).is_empty());
    project.demo(["status"]).fails(3);
    project.demo(["down"]).says("no stack is running").success();

    project.demo(["up"]).success();
    project.demo(["count"]).prints("1\n").success();
    project.demo(["down", "--volumes"]).says(".local/data").success();
    assert!(!project.local("data").exists());
    project.demo(["up"]).success();
    project.demo(["count"]).says("no such table").fails(1);

    project.demo(["cleanup"]).success();
    assert!(servers_in(project.path()).is_empty());
    let left = fs::read_dir(project.local("")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["bin"]);
    project.demo(["cleanup"]).success();
}

fn status_forms(project: &Project) {
    let [http, grpc, admin, replica] = project.ports();
    let text = project.demo(["status"]).success();
    for part in ["primary   healthy", "replica   healthy", "native engine", "sqld 0.24.32"] {
        assert!(text.stdout.contains(part), "{part}: {text:?}");
    }
    let json = project.demo(["status", "-o", "json"]).success().json();
    assert_eq!(json["variant"], "default");
    let primary = &json["services"][0];
    assert_eq!(primary["healthy"], true);
    assert_eq!(primary["http"], format!("127.0.0.1:{http}"));
    assert_eq!(primary["grpc"], format!("127.0.0.1:{grpc}"));
    assert_eq!(primary["admin"], format!("127.0.0.1:{admin}"));
    assert!(primary["data_bytes"].as_u64().unwrap() > 0);
    assert!(primary["replication_index"].as_u64().unwrap() > 0);
    assert!(json["services"][1]["lag"].is_u64());

    let script = r#"set -eu
        eval "$("$1" --project-dir "$2" status -o env)"
        printf '%s %s %s %s %s' "$PRIMARY_HTTP_URL" "$PRIMARY_GRPC_URL" "$PRIMARY_ADMIN_URL" \
            "$REPLICA_HTTP_URL" "$DEMO_TOKEN_PATH""#;
    let demo = env!("CARGO_BIN_EXE_demo");
    let folder = project.path().to_str().unwrap();
    let values = tool_stdout("sh", &["-c", script, "sh", demo, folder], project.path());
    let token = project.local("jwt/jwt.token");
    let expected = [http, grpc, admin, replica].map(|port| format!("http://127.0.0.1:{port}"));
    assert_eq!(values, format!("{} {}", expected.join(" "), token.display()));
}

#[test]
fn one_service_comes_with_what_it_needs() {
    let project = Project::new();
    project.demo(["up", "--only", "primary"]).success();
    assert_eq!(ids(&project).len(), 1);
    assert_eq!(servers_in(project.path()).len(), 1);
    project.demo(["up", "--only", "nobody"]).says("no service `nobody`").fails(5);
    project.demo(["up"]).success();
    assert_eq!(ids(&project).len(), 2);
}

#[test]
fn mutual_tls_replicates_on_a_standing_stack() {
    let project = Project::up(&["namespaced", "tls"]);
    project.demo(["namespace", "create", "shop"]).success();
    project.demo(["run", "--namespace", "shop", "--label", "x"]).success();
    project
        .demo(["count", "--namespace", "shop", "--target", "replica", "--wait"])
        .prints("1\n")
        .success();
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    let project = Project::new();
    let flag = "[/bin/sqld, --no-welcome]";
    project.edit("docker-compose.yml", flag, "[/bin/sqld, --no-welcome, --no-such-flag]");
    let said = project.demo(["up"]).fails(1);
    // The reason is the server's own.
    assert!(said.stderr.contains("--no-such-flag"), "{said:?}");
    assert!(servers_in(project.path()).is_empty());
    project.demo(["status"]).fails(3);
}
