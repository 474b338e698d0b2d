//! `demo auth bench`: figures that make sense, and nothing left behind.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use demo_test_support::{Background, Project, until};

const SMALL: [&str; 8] =
    ["--seconds", "1", "--clients", "4", "--tokens", "40", "--sync-intervals", "1"];

/// A run with small figures; its temporary files go where they can be counted.
fn bench(project: &Project, args: &[&str]) -> Value {
    let tmp = project.join("tmp");
    fs::create_dir_all(&tmp).unwrap();
    let demo = project.demo(["auth", "bench", "-o", "json"]).args(SMALL).args(args);
    let json = demo.env("TMPDIR", &tmp).success().json();
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0, "a temporary file is left");
    json
}

fn backends(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["backend"].as_str().unwrap()).collect()
}

fn counted(project: &Project, sql: &str) -> i64 {
    let rows = project.demo(["sql", "-o", "json", sql]).success().json();
    rows[0].as_object().unwrap().values().next().unwrap().as_i64().unwrap()
}

/// Folders of namespaces on the servers of the stack.
fn bench_namespaces(project: &Project) -> usize {
    let folders = ["data/primary/primary.sqld/dbs", "data/replica/replica.sqld/dbs"];
    let entries = folders.iter().filter_map(|folder| fs::read_dir(project.local(folder)).ok());
    let names = entries.flatten().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("bench-")).count()
}

#[test]
fn lookups_and_lags_are_measured_and_the_stack_is_as_before() {
    let project = Project::up(&[]);
    let report = bench(&project, &[]);
    let all = ["local files", "libSQL", "libSQL with an embedded replica"];
    assert_eq!(backends(&report["lookups"]), all);
    assert_eq!(backends(&report["revocations"]), all);
    for row in report["lookups"].as_array().unwrap() {
        let figure = |name: &str| row[name].as_f64().unwrap();
        assert!(figure("lookups") > 0.0 && figure("perSecond") > 0.0, "{row}");
        let (p50, p99, max) = (figure("p50Micros"), figure("p99Micros"), figure("maxMicros"));
        assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{row}");
    }
    assert!(report["lookups"][2]["timesRemote"].as_f64().unwrap() > 0.0, "{report}");
    for row in report["revocations"].as_array().unwrap() {
        let bound = row["syncIntervalSecs"].as_f64().unwrap_or(0.0) * 1000.0;
        assert!(row["maxMillis"].as_f64().unwrap() <= bound, "{row}");
        assert_eq!(row["withinBound"], true, "{row}");
        assert_eq!(row["lagsMillis"].as_array().unwrap().len(), 20, "{row}");
    }
    assert_eq!(report["revocations"][2]["syncIntervalSecs"], 1);
    // Spread over the interval: some of them must be seen late.
    assert!(report["revocations"][2]["maxMillis"].as_f64().unwrap() > 100.0, "{report}");
    assert_eq!(counted(&project, "select count(*) from sqlite_master"), 0);

    // Of a database that somebody has named, the tables stay and the rows go.
    let token = project.read(".local/jwt/jwt.token");
    let url = format!("http://127.0.0.1:{}", project.ports()[0]);
    let yaml = format!("backend:\n  libsql:\n    url: {url}\n    authToken: {}\n", token.trim());
    project.write("auth.yaml", yaml);
    let report = bench(&project, &["-c", "auth.yaml"]);
    assert_eq!(backends(&report["lookups"]), all[1..]);
    assert_eq!(report["lookups"][0]["from"], "auth.yaml");
    let nobody = |project: &Project| {
        ["users", "profiles", "tokens"]
            .map(|table| counted(project, &format!("select count(*) from auth_{table}")))
            == [0, 0, 0]
    };
    assert!(nobody(&project));
    bench(&project, &[]);
    assert!(nobody(&project), "tables that were there before stay");
}

#[test]
fn an_interrupted_bench_deletes_its_namespace() {
    let project = Project::up(&["namespaced"]);
    let mut bench = Background::start(project.command(["auth", "bench", "--seconds", "60"]));
    until("the namespace is there", || bench_namespaces(&project) > 0);
    bench.until_says("measuring");
    bench.signal(Signal::INT);
    assert_eq!(bench.end().code(), Some(130));
    assert!(bench.all().iter().any(|line| line.contains("nothing is left behind")));
    assert_eq!(bench_namespaces(&project), 0);
    assert_eq!(
        project.demo(["tenant", "list", "-o", "json"]).success().json(),
        Value::from([(); 0])
    );
}

#[test]
fn users_in_files_stay_as_they_are() {
    let project = Project::without_server();
    let yaml = "storage: ./s\nauth:\n  htpasswd:\n    max_users: 1\n";
    project.write("auth.yaml", yaml);
    let users = "# people\nalice:{SHA}x=\n";
    project.write("s/htpasswd", users);
    let report = bench(&project, &["-c", "auth.yaml"]);
    assert_eq!(backends(&report["lookups"]), ["local files"]);
    assert_eq!(project.read("s/htpasswd"), users);
}

#[test]
fn what_cannot_be_measured_is_said_at_once() {
    let project = Project::without_server();
    let bench = || project.demo(["auth", "bench"]);
    bench().says("private key").fails(5).hint("demo setup");
    project.demo(["setup"]).success();
    bench().says("cannot connect").fails(3).hint("demo up");
    bench().args(["-c", "absent.yaml"]).says("absent.yaml").fails(5);
    for (option, value) in [("--sync-intervals", "1,0"), ("--clients", "0"), ("--seconds", "x")] {
        bench().args([option, value]).says(option).fails(2);
    }
    project.write("many.yaml", "backend:\n  libsql:\n    url: http://127.0.0.1:1\n");
    bench().args(["-c", "many.yaml"]).fails(3).hint("backend.libsql.url");
}
