//! `demo gate serve` with a primary and a replica: who answers what, and what is
//! seen while servers come and go.

use std::process::Stdio;
use std::time::Duration;

use demo_gate::routing::SERVED_BY;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use demo_test_support::processes::{pid_in, servers_in};
use demo_test_support::{Background, Project, until};

/// Whom an answer came from, with which status, and its first value.
#[derive(Debug)]
struct Said {
    status: u16,
    by: String,
    value: Option<String>,
    /// What the server says went wrong, inside an answer of status 200.
    error: Option<String>,
}

impl Said {
    fn done(&self) -> bool {
        self.status == 200 && self.error.is_none()
    }
}

struct Case {
    project: Project,
    gate: Background,
    address: String,
    token: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Case {
    fn new() -> Self {
        let project = Project::up(&["namespaced"]);
        project.demo(["namespace", "create", "shop"]).success();
        let [primary, _, _, replica] = project.ports();
        project.write(
            "gate.yaml",
            format!(
                "listen: 127.0.0.1:0\nkeys: .local/jwt/jwt.pub\n\
                 primary: http://127.0.0.1:{primary}\nreplicas: [http://127.0.0.1:{replica}]\n\
                 limits: {{perNamespacePerSecond: 100000, burst: 100000}}\n"
            ),
        );
        let mint = ["token", "mint", "--namespace", "shop"];
        let token = project.demo(mint).success().text().to_owned();
        let command = project.command(["gate", "serve", "--log-format", "json"]);
        let mut gate = Background::start(command);
        let line: Value = serde_json::from_str(&gate.until_says("the gate is open")).unwrap();
        let address = line["address"].as_str().unwrap().to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Self { project, gate, address, token, http, runtime }
    }

    fn run(&self, sql: &str) -> Said {
        let execute = json!({ "type": "execute", "stmt": { "sql": sql } });
        let body = json!({ "requests": [execute, { "type": "close" }] });
        let request = self.http.post(format!("http://{}/v3/pipeline", self.address));
        let request = request.header("x-namespace", "shop").bearer_auth(&self.token).json(&body);
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let by = response.headers().get(SERVED_BY);
            let by = by.map_or_else(String::new, |by| by.to_str().unwrap().to_owned());
            let answer: Value = response.json().await.unwrap();
            let first = &answer["results"][0];
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let value = text(&first["response"]["result"]["rows"][0][0]["value"]);
            Said { status, by, value, error: text(&first["error"]["message"]) }
        })
    }

    /// A read that must succeed.
    fn count(&self) -> Said {
        let said = self.run("SELECT count(*) FROM t");
        assert!(said.done(), "{said:?}");
        said
    }

    /// The first request over a connection whose server was killed may be 502: nobody
    /// knows whether it has arrived, and it is not sent again.
    fn until_answered(&self) {
        until("a read is answered", || {
            let said = self.run("SELECT count(*) FROM t");
            assert!(said.done() || said.status == 502, "{said:?}");
            said.done()
        });
    }

    fn until_served_by(&self, server: &str) {
        until(&format!("{server} answers"), || self.count().by == server);
    }

    fn signal(&self, service: &str, signal: Signal) {
        let pid = pid_in(&self.project.local(&format!("run/standing/{service}.pid")));
        assert!(servers_in(self.project.path()).contains(&pid));
        kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
        if signal == Signal::KILL {
            until("it has ended", || !servers_in(self.project.path()).contains(&pid));
        }
    }
}

#[test]
fn reads_go_to_the_replica_and_see_every_write_while_servers_come_and_go() {
    let mut case = Case::new();
    let made = case.run("CREATE TABLE t (x)");
    assert_eq!((made.status, made.by.as_str()), (200, "primary"));
    case.until_served_by("replica-1");
    for number in 1..=200 {
        let written = case.run(&format!("INSERT INTO t VALUES ({number})"));
        assert_eq!((written.status, written.by.as_str()), (200, "primary"), "{number}");
        let read = case.count();
        assert_eq!(read.value, Some(number.to_string()));
        // Every five seconds one read asks the primary whether the namespace is still there.
        if read.by != "replica-1" {
            let again = case.count();
            assert_eq!(again.value, Some(number.to_string()));
            assert_eq!(again.by, "replica-1", "{number}");
        }
    }

    case.signal("replica", Signal::STOP);
    case.until_served_by("primary");
    case.signal("replica", Signal::CONT);
    case.until_served_by("replica-1");

    case.signal("replica", Signal::KILL);
    case.until_answered();
    for _ in 0..50 {
        assert_eq!(case.count().value.as_deref(), Some("200"));
    }
    assert_eq!(case.count().by, "primary");
    case.project.demo(["up", "--variant", "namespaced"]).success();
    case.until_served_by("replica-1");

    case.signal("primary", Signal::KILL);
    case.until_answered();
    for _ in 0..20 {
        let read = case.count();
        assert_eq!((read.value.as_deref(), read.by.as_str()), (Some("200"), "replica-1"));
        assert_eq!(case.run("INSERT INTO t VALUES (201)").status, 503);
    }
    // The first write comes before the gate has seen that the primary is back.
    let mut up = case.project.command(["up", "--variant", "namespaced", "-q"]);
    let mut up = up.stdout(Stdio::null()).spawn().unwrap();
    until("writes go on", || case.run("INSERT INTO t VALUES (201)").done());
    let read = case.count();
    assert_eq!(read.value.as_deref(), Some("201"), "not the old log of the replica: {read:?}");
    assert!(up.wait().unwrap().success());
    case.until_served_by("replica-1");
    assert_eq!(case.count().value.as_deref(), Some("201"));
    assert!(case.gate.lives());
}

const ENDLESS: &str =
    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT count(*) FROM c";

/// What a process has had of the processor, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Has `busy` carry out a read without end and kills it; what came of the read, and how
/// long `other` has worked since.
fn kill_while_reading(case: &Case, busy: &str, other: &str) -> (u16, u64) {
    let pid = |name: &str| pid_in(&case.project.local(&format!("run/standing/{name}.pid")));
    let (busy_pid, other_pid) = (pid(busy), pid(other));
    let (before, other_before) = (ticks(busy_pid), ticks(other_pid));
    let execute = json!({ "type": "execute", "stmt": { "sql": ENDLESS } });
    let body = json!({ "requests": [execute, { "type": "close" }] });
    let request = reqwest::Client::new().post(format!("http://{}/v3/pipeline", case.address));
    let request = request.header("x-namespace", "shop").bearer_auth(&case.token).json(&body);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answer = runtime.spawn(async move { request.send().await.unwrap().status().as_u16() });
    // Before the gate loses patience with a replica and asks the primary, too.
    while ticks(busy_pid) < before + 10 {
        assert!(!answer.is_finished(), "{busy} is not asked");
        std::thread::yield_now();
    }
    case.signal(busy, Signal::KILL);
    let status = runtime.block_on(answer).unwrap();
    let started = std::time::Instant::now();
    until("the other server could have begun", || started.elapsed() > Duration::from_millis(1500));
    assert!(servers_in(case.project.path()).contains(&other_pid), "{other} has ended");
    (status, ticks(other_pid) - other_before)
}

#[test]
fn c2_a_read_whose_server_died_is_502_and_reaches_no_other_server() {
    let case = Case::new();
    assert!(case.run("CREATE TABLE t (x)").done());
    assert!(case.run("INSERT INTO t VALUES (1)").done());
    case.until_served_by("replica-1");
    let (status, worked) = kill_while_reading(&case, "replica", "primary");
    assert_eq!(status, 502);
    assert!(worked < 40, "the primary has worked for {worked}0 ms");
    // What was never sent goes elsewhere.
    assert_eq!(case.count().by, "primary");
    case.project.demo(["up", "--variant", "namespaced"]).success();
    case.until_served_by("replica-1");

    // Every five seconds one read asks the primary.
    let last = std::time::Instant::now();
    until("what is known has to be asked again", || last.elapsed() > Duration::from_millis(5500));
    let (status, worked) = kill_while_reading(&case, "primary", "replica");
    assert_eq!(status, 502);
    assert!(worked < 40, "the replica has worked for {worked}0 ms");
    assert_eq!(case.count().by, "replica-1");
}
