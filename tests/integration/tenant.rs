//! Tenants on a standing stack: made, listed, opened, and gone for good.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use demo_test_support::{Background, Project, processes, until};

const SCHEMA: &str = "CREATE TABLE todo (id INTEGER PRIMARY KEY, text TEXT);\n\
    CREATE TABLE log (x);\n\
    CREATE TRIGGER noted AFTER INSERT ON todo BEGIN INSERT INTO log VALUES (new.id); END;\n\
    INSERT INTO todo (text) VALUES ('first'); -- the end";

fn sql(project: &Project, name: &str, target: &str, query: &str) -> Value {
    let args = ["sql", query, "--namespace", name, "--target", target, "-o", "json"];
    project.demo(args).args(["--wait"].iter().filter(|_| target == "replica")).success().json()
}

fn folder(project: &Project, service: &str, name: &str) -> PathBuf {
    project.local(&format!("data/{service}/{service}.sqld/dbs/{name}"))
}

fn listed(project: &Project) -> Vec<(String, String)> {
    let list = project.demo(["tenant", "list", "-o", "json"]).success().json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|t| (text(&t["name"]), text(&t["state"]))).collect()
}

fn pair(name: &str, state: &str) -> (String, String) {
    (name.to_owned(), state.to_owned())
}

/// A tenant with one row, which the replica has too.
fn filled(project: &Project, name: &str) {
    project.demo(["tenant", "create", name, "--if-missing"]).success();
    project.demo(["init", "--namespace", name]).success();
    project.demo(["insert", "--namespace", name, "--label", "old"]).success();
    let count = ["count", "--namespace", name, "--target", "replica", "--wait"];
    project.demo(count).prints("1\n").success();
    assert!(folder(project, "replica", name).join("data").exists());
}

#[test]
fn a_tenant_has_its_schema_once_and_tokens_for_itself_alone() {
    let project = Project::up(&["namespaced"]);
    project.write("schema.sql", SCHEMA);
    let create = ["tenant", "create", "shop", "--schema", "schema.sql"];
    let url = format!("http://shop.localhost:{}\n", project.ports()[0]);
    project.demo(create).prints(&url).says("demo tenant token shop").success();
    project.demo(create).says("already").fails(1).hint("--if-missing");
    project.demo(create).args(["--if-missing"]).prints(&url).says("applied before").success();
    let rows = |target| sql(&project, "shop", target, "SELECT count(*) AS n FROM log");
    assert_eq!((rows("primary"), rows("replica")), (json!([{"n": 1}]), json!([{"n": 1}])));
    project.write("other.sql", "CREATE TABLE other (x)");
    let other = ["tenant", "create", "shop", "--if-missing", "--schema", "other.sql"];
    project.demo(other).says("another schema").fails(1);

    // What an interrupted run has not done, the next one does.
    project.demo(["tenant", "create", "later"]).success();
    let later = ["tenant", "create", "later", "--if-missing", "--schema", "schema.sql"];
    project.demo(later).says("schema    applied\n").success();

    let token = |args: &[&str]| {
        project.demo(["tenant", "token", "shop"]).args(args).success().text().to_owned()
    };
    let (all, read) = (token(&[]), token(&["--access", "ro", "--ttl", "5m"]));
    for target in ["primary", "replica"] {
        let check = |name: &str, token: &str| {
            let args = ["auth-check", "-o", "json", "--target", target, "--namespace", name];
            project.demo(args).args(["--token", token])
        };
        let rights = |token: &str| {
            let said = check("shop", token).exits(0).json();
            (said["reads"].as_bool().unwrap(), said["writes"].as_bool().unwrap())
        };
        assert_eq!((rights(&all), rights(&read)), ((true, true), (true, false)), "{target}");
        check("later", &all).fails(5);
    }
    let inspect = project.demo(["token", "inspect", "-o", "json", &all]).success().json();
    let claims = &inspect["claims"];
    assert_eq!(claims["p"], json!({ "rw": { "ns": ["shop"] } }));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    project.demo(["tenant", "token", "absent"]).fails(5).hint("tenant create absent");
    project.demo(["down"]).success();
    project.demo(["tenant", "token", "shop"]).says("cannot check whether").success();
    project.demo(["tenant", "list"]).fails(3);
    project.demo(["tenant", "drop", "shop", "--yes"]).fails(3).hint("demo up");
}

#[test]
fn a_schema_that_fails_leaves_nothing_behind() {
    let project = Project::up(&["namespaced"]);
    project.write("bad.sql", "CREATE TABLE a (x);\nINSERT INTO nowhere VALUES (1);");
    project.write("open.sql", "CREATE TABLE a (x); COMMIT; CREATE TABLE b (x)");
    project.write("empty.sql", "-- nothing\n");
    let create = |file: &str| project.demo(["tenant", "create", "t", "--schema", file]);
    create("bad.sql").says("there is no tenant `t`").says("nowhere").fails(1);
    for file in ["open.sql", "empty.sql"] {
        create(file).fails(2);
    }
    create("absent.sql").fails(5);
    assert_eq!(listed(&project), []);
    project.demo(["namespace", "stats", "t"]).fails(5);
    assert!(!folder(&project, "primary", "t").exists());

    // One that was there before is as it was.
    filled(&project, "t");
    create("bad.sql").args(["--if-missing"]).says("`t` has not changed").fails(1);
    let query = "SELECT name FROM sqlite_schema WHERE name IN ('a', 'demo_schema', 'items')";
    assert_eq!(sql(&project, "t", "primary", query), json!([{ "name": "items" }]));
}

#[test]
fn many_at_once_make_one_tenant() {
    let project = Project::up(&["namespaced"]);
    project.write("schema.sql", SCHEMA);
    let args = ["tenant", "create", "shop", "--schema", "schema.sql", "--if-missing"];
    let mut all: Vec<Background> =
        (0..8).map(|_| Background::start(project.command(args))).collect();
    for one in &mut all {
        assert!(one.end().success());
    }
    let rows = sql(&project, "shop", "primary", "SELECT count(*) AS n FROM log");
    assert_eq!(rows, json!([{ "n": 1 }]));
    let mut all: Vec<Background> =
        (0..4).map(|_| Background::start(project.command(["tenant", "create", "x"]))).collect();
    let made = all.iter_mut().filter_map(|one| one.end().code()).filter(|code| *code == 0).count();
    assert_eq!(made, 1);
}

#[test]
fn a_dropped_tenant_is_gone_from_both_servers_and_the_others_stay() {
    let project = Project::up(&["namespaced"]);
    filled(&project, "gone");
    filled(&project, "stays");
    project.demo(["tenant", "drop", "gone"]).says("it must be confirmed").fails(2).hint("--yes");
    for name in ["default", "..", "A", ""] {
        for verb in ["create", "token", "drop"] {
            project.demo(["tenant", verb, name]).exits(2);
        }
    }
    let primary = processes::pid_in(&project.local("run/standing/primary.pid"));
    let said = project.demo(["tenant", "drop", "gone", "--yes", "-o", "json"]).success().json();
    let removed = json!({ "deleted": true, "restarted": ["replica"], "checked": ["replica"] });
    assert_eq!(said, json!({ "tenant": "gone", "removed": removed }));
    assert_eq!(processes::pid_in(&project.local("run/standing/primary.pid")), primary);
    for service in ["primary", "replica"] {
        assert!(!folder(&project, service, "gone").exists(), "{service}");
        project.demo(["count", "--namespace", "gone", "--target", service]).fails(5);
        let count = ["count", "--wait", "--namespace", "stays", "--target", service];
        project.demo(count).prints("1\n").success();
    }
    assert_eq!(listed(&project), [pair("stays", "live")]);
    // A read in vain has left an empty folder at the replica: no trace of a tenant.
    project.demo(["tenant", "drop", "gone", "--yes"]).fails(5).hint("tenant list");

    project.demo(["tenant", "create", "gone"]).success();
    for service in ["primary", "replica"] {
        assert_eq!(sql(&project, "gone", service, "SELECT name FROM sqlite_schema"), json!([]));
    }
}

/// The states that a kill of `drop` can leave, made by hand in its own order.
#[test]
fn a_drop_that_was_killed_is_finished_by_the_next() {
    let project = Project::up(&["namespaced"]);
    let drop = || project.demo(["tenant", "drop", "t", "--yes", "-o", "json"]).success().json();
    let gone = |project: &Project| {
        for service in ["primary", "replica"] {
            assert!(!folder(project, service, "t").exists(), "{service}");
            project.demo(["count", "--namespace", "t", "--target", service]).fails(5);
        }
        assert_eq!(listed(project), []);
    };
    // The replica is down, nothing is deleted.
    filled(&project, "t");
    stop_replica(&project);
    assert_eq!(drop()["removed"]["restarted"], json!(["replica"]));
    gone(&project);

    // The primary has deleted it, the replica spins on the old data.
    filled(&project, "t");
    project.demo(["namespace", "delete", "t"]).success();
    assert_eq!(listed(&project), [pair("t", "remains")]);
    project
        .demo(["tenant", "create", "t"])
        .says("not completely removed")
        .fails(1)
        .hint("drop t --yes");
    assert_eq!(drop()["removed"]["deleted"], false);
    gone(&project);

    // The primary's own delete was cut off: the old data would come back.
    filled(&project, "t");
    let (files, saved) = (folder(&project, "primary", "t"), project.join("saved"));
    copy(&files, &saved);
    project.demo(["tenant", "drop", "t", "--yes"]).success();
    fs::rename(&saved, &files).unwrap();
    project
        .demo(["tenant", "create", "t"])
        .says("not completely removed")
        .fails(1)
        .hint("drop t --yes");
    assert_eq!(listed(&project), [pair("t", "remains")]);
    assert_eq!(drop()["removed"]["restarted"], json!(["primary"]));
    gone(&project);
    project.demo(["tenant", "create", "t"]).success();
    assert_eq!(sql(&project, "t", "primary", "SELECT name FROM sqlite_schema"), json!([]));

    // A real kill, wherever it falls.
    for milliseconds in [1_u32, 15, 30, 45, 60, 90, 130, 200] {
        filled(&project, "t");
        let mut run = Background::start(project.command(["tenant", "drop", "t", "--yes"]));
        let since = std::time::Instant::now();
        let long = std::time::Duration::from_millis(milliseconds.into());
        until("it is time to kill", || since.elapsed() >= long || !run.lives());
        if run.lives() {
            run.signal(rustix::process::Signal::KILL);
        }
        let done = run.end().success();
        project.demo(["tenant", "drop", "t", "--yes"]).exits(if done { 5 } else { code(&project) });
        gone(&project);
    }
}

/// What a second `drop` says: all is done already, or it does the rest.
fn code(project: &Project) -> i32 {
    let traces = listed(project).iter().any(|(name, _)| name == "t");
    if traces { 0 } else { 5 }
}

fn stop_replica(project: &Project) {
    let file = project.local("run/standing/replica.pid");
    processes::kill_server(project.path(), processes::pid_in(&file));
    until("the replica has gone", || processes::servers_in(project.path()).len() == 1);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let paths = [from.to_str().unwrap(), to.to_str().unwrap()];
    demo_test_support::tool("cp", &["-r", paths[0], paths[1]], std::path::Path::new("/")).success();
}

#[test]
fn a_list_says_where_each_name_comes_from() {
    let project = Project::up(&["namespaced"]);
    project.demo(["tenant", "list"]).prints("").says("no tenants").success();
    filled(&project, "made");
    project.demo(["namespace", "create", "foreign"]).success();
    project.demo(["namespace", "create", "deleted"]).success();
    project.demo(["init", "--namespace", "deleted"]).success();
    project.demo(["namespace", "delete", "deleted"]).success();
    project.demo(["count", "--namespace", "never", "--target", "replica"]).fails(5);
    let list = project.demo(["tenant", "list", "-o", "json"]).success().json();
    let names: Vec<&str> =
        list.as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["foreign", "made"], "{list}");
    // The primary measures the size of each from time to time, and then names it.
    assert_eq!(list[0]["sources"][0], json!({ "files": "primary" }), "{list}");
    let sources = json!(["demo", { "files": "primary" }, { "files": "replica" }, "metrics"]);
    assert_eq!(list[1]["sources"], sources, "{list}");
    let text = project.demo(["tenant", "list"]).says("the server has no list").success().stdout;
    assert!(
        text.contains("made                 live     known from demo, files of primary"),
        "{text}"
    );
    project.demo(["tenant", "list"]).env("LIBSQL_ADMIN_AUTH_KEY", "wrong").fails(4);
    let plain = Project::up(&[]);
    plain.demo(["tenant", "create", "x"]).fails(2).hint("--variant namespaced");
}
