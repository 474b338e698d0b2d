//! `up --dry-run`: what would run, with no secret in it and nothing started.

use serde_json::Value;

use demo_test_support::Project;
use demo_test_support::processes::servers_in;

const SECRET: &str = "s3cret-admin-key";

fn dry_run(project: &Project, arguments: &[&str]) -> demo_test_support::Said {
    let demo = project.demo(["up", "--dry-run"]).args(arguments);
    let said = demo.env("LIBSQL_ADMIN_AUTH_KEY", SECRET).success();
    assert!(!said.stdout.contains(SECRET) && !said.stderr.contains(SECRET), "{said:?}");
    assert!(servers_in(project.path()).is_empty());
    assert!(!project.join(".local").exists(), "a dry run writes nothing");
    said
}

/// Every string in `value` under a member called `name`.
fn members<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| match value.as_str() {
                Some(text) if key == name => vec![text],
                _ => members(value, name),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| members(item, name)).collect(),
        _ => Vec::new(),
    }
}

fn snapshot(name: &str, variants: &[&str]) {
    let project = Project::without_server();
    let mut arguments = vec!["-o", "json"];
    arguments.extend(variants.iter().flat_map(|variant| ["--variant", variant]));
    let said = dry_run(&project, &arguments);
    let json = said.json();
    assert_eq!(json["engine"], "native");
    let hosts = members(&json, "host");
    assert_eq!(hosts.len(), 4);
    for host in hosts {
        assert!(host.starts_with("127.0.0.1:"), "{host} is reached from elsewhere");
    }
    // Nor does a process listen anywhere else.
    assert!(!json["processes"].to_string().contains("0.0.0.0"), "{json}");
    project.snapshots().bind(|| insta::assert_snapshot!(name, said.stdout));
}

#[test]
fn base() {
    snapshot("dry_run_base", &[]);
}

#[test]
fn namespaced() {
    snapshot("dry_run_namespaced", &["namespaced"]);
}

#[test]
fn tls() {
    snapshot("dry_run_tls", &["tls"]);
}

#[test]
fn namespaced_and_tls() {
    snapshot("dry_run_namespaced_tls", &["namespaced", "tls"]);
    // In either order.
    let project = Project::without_server();
    let line = ["--variant", "tls", "--variant", "namespaced", "-o", "json"];
    let one = dry_run(&project, &line).json();
    let other = ["--variant", "namespaced", "--variant", "tls", "-o", "json"];
    assert_eq!(one["processes"], dry_run(&project, &other).json()["processes"]);
}

#[test]
fn for_a_person() {
    let project = Project::without_server();
    let said = dry_run(&project, &[]);
    project.snapshots().bind(|| insta::assert_snapshot!("dry_run_text", said.stdout));
}

#[test]
fn one_service_and_the_one_it_needs() {
    let project = Project::without_server();
    let names = |only: &str| {
        let json = dry_run(&project, &["--only", only, "-o", "json"]).json();
        let services = json["plan"]["services"].as_array().unwrap().clone();
        services.iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("primary"), ["primary"]);
    assert_eq!(names("replica"), ["primary", "replica"]);
}
