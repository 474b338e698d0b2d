//! Servers and services killed while people are at work.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::door::{Door, Person, open_gate};
use demo_test_support::processes::{pid_in, servers_in};
use demo_test_support::{Project, until};

/// What one worker has seen.
#[derive(Default)]
struct Log {
    acknowledged: Vec<String>,
    /// Statuses of answers, 0 for none.
    statuses: BTreeSet<u16>,
    wrong: Vec<String>,
}

/// Somebody who writes and reads what he has written, until told to stop.
struct Worker {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    url: String,
    namespace: String,
    token: String,
    name: usize,
}

enum Said {
    Rows(Value),
    Refused(u16),
}

impl Worker {
    fn new(door: &Door, person: &Person, name: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self {
            http: reqwest::Client::builder().timeout(Duration::from_secs(8)).build().unwrap(),
            runtime,
            url: format!("http://127.0.0.1:{}", door.gate_port),
            namespace: person.namespace.clone(),
            token: person.token.clone(),
            name,
        }
    }

    fn run(&self, sql: &str) -> Said {
        let execute = json!({ "type": "execute", "stmt": { "sql": sql } });
        let body = json!({ "requests": [execute, { "type": "close" }] });
        let request = self.http.post(format!("{}/v2/pipeline", self.url)).json(&body);
        let request = request.header("x-namespace", &self.namespace).bearer_auth(&self.token);
        let answered = self.runtime.block_on(async {
            let response = request.send().await.ok()?;
            let status = response.status().as_u16();
            Some((status, response.json::<Value>().await.ok()?))
        });
        let Some((status, answer)) = answered else { return Said::Refused(0) };
        let result = &answer["results"][0];
        if status == 200 && result["type"] == "ok" {
            return Said::Rows(result["response"]["result"]["rows"].clone());
        }
        // An error inside a 200 is told apart from a refusal.
        Said::Refused(if status == 200 { 599 } else { status })
    }

    fn work(&self, stop: &AtomicBool, done: &AtomicU64) -> Log {
        let mut log = Log::default();
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            let value = format!("{}-{number}", self.name);
            match self.run(&format!("INSERT INTO t VALUES ('{value}')")) {
                Said::Rows(_) => log.acknowledged.push(value.clone()),
                Said::Refused(status) => {
                    log.statuses.insert(status);
                    continue;
                }
            }
            match self.run(&format!("SELECT count(*) FROM t WHERE x = '{value}'")) {
                Said::Rows(rows) if rows[0][0]["value"] == "1" => {
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Said::Rows(rows) => log.wrong.push(format!("{value} was not seen: {rows}")),
                Said::Refused(status) => {
                    log.statuses.insert(status);
                }
            }
        }
        log
    }
}

struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Log>>,
}

impl Load {
    fn start(door: &Door, person: &Person) -> Self {
        let (stop, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let worker = |name: usize| {
            let worker = Worker::new(door, person, name);
            let (stop, done) = (stop.clone(), done.clone());
            std::thread::spawn(move || worker.work(&stop, &done))
        };
        let threads = (0..4).map(worker).collect();
        Self { stop, done, threads }
    }

    /// Until work goes on.
    fn goes_on(&self, what: &str) {
        let before = self.done.load(Ordering::Relaxed);
        until(what, || self.done.load(Ordering::Relaxed) > before + 20);
    }

    fn end(self) -> Vec<Log> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    }
}

fn kill_server(project: &Project, service: &str) {
    let pid = pid_in(&project.local(&format!("run/standing/{service}.pid")));
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    until("it has ended", || !servers_in(project.path()).contains(&pid));
}

#[test]
fn nothing_acknowledged_is_lost_and_work_goes_on_by_itself() {
    let mut door = Door::open();
    let alice = door.person("alice");
    let worker = Worker::new(&door, &alice, 99);
    assert!(matches!(worker.run("CREATE TABLE t (x)"), Said::Rows(_)));
    let load = Load::start(&door, &alice);
    load.goes_on("the load has begun");

    kill_server(&door.project, "replica");
    load.goes_on("work goes on without the replica");
    door.project.demo(["up", "--variant", "namespaced"]).success();
    load.goes_on("work goes on with the replica");

    kill_server(&door.project, "primary");
    until("writes are refused", || {
        matches!(worker.run("INSERT INTO t VALUES ('p')"), Said::Refused(503))
    });
    door.project.demo(["up", "--variant", "namespaced"]).success();
    load.goes_on("work goes on after the primary came back");

    door.gate.signal(Signal::KILL);
    door.gate.end();
    until("nothing answers", || matches!(worker.run("SELECT 1"), Said::Refused(0)));
    door.gate = open_gate(&door.project);
    load.goes_on("work goes on after the gate came back");

    // The issuer's keys are known to the mint: who signs in already has a login.
    door.issuer.kill();
    load.goes_on("work goes on without the issuer");
    let body = door.mint.until(&alice.login, 200);
    assert_eq!(body["namespace"], alice.namespace.as_str());
    door.issuer.start_again();
    let bob = door.person("bob");
    assert_ne!(bob.namespace, alice.namespace);

    let logs = load.end();
    let allowed = BTreeSet::from([0, 502, 503, 504]);
    let mut acknowledged = Vec::new();
    for log in logs {
        assert!(log.wrong.is_empty(), "{:?}", log.wrong);
        assert!(log.statuses.is_subset(&allowed), "{:?}", log.statuses);
        acknowledged.extend(log.acknowledged);
    }
    let Said::Rows(rows) = worker.run("SELECT x FROM t") else { panic!("no answer at the end") };
    let kept: BTreeSet<&str> =
        rows.as_array().unwrap().iter().filter_map(|row| row[0]["value"].as_str()).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|value| !kept.contains(value.as_str())).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    door.never_says(&[&alice.token, &bob.token, &alice.login, &bob.login]);
}
