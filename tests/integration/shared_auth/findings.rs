//! What an attack on the login service found, row by row, on the real service.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Instance, LOCAL, key_of, libsql, wait};
use demo_test_support::Project;

const CLOSED: &str = "storage: ./s\n";

fn register_alice(project: &Project) -> String {
    let open = Instance::start(project, "open.yaml", LOCAL);
    open.token("alice")
}

async fn put(client: &reqwest::Client, url: &str, name: &str, from: &str) -> (u16, String) {
    let body = json!({ "name": name, "password": "Correct-horse-7", "type": "user" });
    let request = client.put(format!("{url}-/user/org.couchdb.user:{name}"));
    let request = request.header("x-forwarded-for", from).body(body.to_string());
    let response = request.timeout(Duration::from_secs(60)).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[test]
fn h5_seven_hundred_strangers_do_not_delay_a_known_user() {
    let project = Project::without_server();
    register_alice(&project);
    let text = format!("trustedProxies: [127.0.0.1]\n{CLOSED}");
    let instance = Instance::start(&project, "auth.yaml", &text);
    let url = instance.url.clone();
    let (took, statuses) = wait(async move {
        let client = reqwest::Client::new();
        assert_eq!(put(&client, &url, "alice", "192.0.2.1").await.0, 201);
        let strangers = (0..700).map(|number| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move {
                put(&client, &url, &format!("nobody-{number}"), "192.0.2.1").await.0
            })
        });
        let strangers: Vec<_> = strangers.collect();
        let mut took = Duration::ZERO;
        for _ in 0..5 {
            let began = Instant::now();
            assert_eq!(put(&client, &url, "alice", "192.0.2.1").await.0, 201);
            took = took.max(began.elapsed());
        }
        let mut statuses = Vec::new();
        for stranger in strangers {
            statuses.push(stranger.await.unwrap());
        }
        (took, statuses)
    });
    // About one second, and as much for a machine that is busy with other tests.
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(statuses.iter().filter(|status| **status == 429).count() > 500, "{statuses:?}");
}

#[test]
fn h5_registrations_from_one_address_are_limited() {
    let project = Project::without_server();
    let text = format!("{LOCAL}  registrations:\n    per_minute: 1\n    burst: 3\n");
    let instance = Instance::start(&project, "auth.yaml", &text);
    let statuses: Vec<u16> =
        (0..5).map(|number| instance.put(&format!("u{number}"), "x").0).collect();
    assert_eq!(statuses, [201, 201, 201, 429, 429]);
    assert_eq!(instance.put("u0", "x").0, 201, "a login is no registration");
    assert_eq!(project.read("s/htpasswd").lines().count(), 3);
}

#[test]
fn m1_known_and_unknown_names_are_told_apart_by_nothing() {
    let project = Project::without_server();
    register_alice(&project);
    let full = "storage: ./s\nauth:\n  htpasswd:\n    max_users: 1\n";
    for text in [CLOSED, full] {
        let instance = Instance::start(&project, "auth.yaml", text);
        let mut times = [const { Vec::new() }; 2];
        for round in 0..5 {
            let unknown = format!("nobody-{round}");
            let mut answers = Vec::new();
            for (name, times) in ["alice", unknown.as_str()].into_iter().zip(&mut times) {
                let began = Instant::now();
                answers.push(instance.put(name, "wrong"));
                times.push(began.elapsed());
            }
            assert_eq!(answers[0], answers[1]);
            assert_eq!(answers[0].0, 401);
        }
        let [known, unknown] = times.map(|mut times| {
            times.sort();
            times[times.len() / 2]
        });
        assert!(known < unknown * 3 && unknown < known * 3, "{known:?} {unknown:?}");
    }
    // Unknown names are slowed as known ones are.
    let instance = Instance::start(&project, "auth.yaml", CLOSED);
    for name in ["alice", "nobody"] {
        let statuses: Vec<u16> = (0..8).map(|_| instance.put(name, "wrong").0).collect();
        assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 401, 429], "{name}");
    }
}

#[test]
fn l5_a_token_that_is_too_old_is_none_even_if_it_was_made_without_an_end() {
    let project = Project::without_server();
    let token = register_alice(&project);
    let still = Instance::start(&project, "auth.yaml", LOCAL);
    assert_eq!(still.whoami(&token), 200);
    let text = format!("{LOCAL}  tokens:\n    max_age: 1ms\n");
    let strict = Instance::start(&project, "strict.yaml", &text);
    assert_eq!(strict.whoami(&token), 401);
}

#[test]
fn l5_with_too_many_tokens_the_oldest_ends() {
    let project = Project::without_server();
    let text = format!("{LOCAL}  tokens:\n    per_user: 3\n");
    let instance = Instance::start(&project, "auth.yaml", &text);
    let tokens: Vec<String> = (0..5).map(|_| instance.token("alice")).collect();
    let statuses: Vec<u16> = tokens.iter().map(|token| instance.whoami(token)).collect();
    assert_eq!(statuses, [401, 401, 200, 200, 200]);
}

fn a_new_password_ends_the_other_tokens(instance: &Instance) {
    let (kept, other) = (instance.token("alice"), instance.token("alice"));
    assert_ne!(key_of(&kept), key_of(&other));
    let change = json!({ "password": { "old": "Correct-horse-7", "new": "Better-horse-8" } });
    let path = "/-/npm/v1/user";
    let change = change.to_string().into_bytes();
    assert_eq!(instance.ask("POST", path, Some(&kept), change).0, 200);
    assert_eq!([instance.whoami(&kept), instance.whoami(&other)], [200, 401]);
}

#[test]
fn l5_a_new_password_ends_the_other_tokens_in_local_files() {
    let project = Project::without_server();
    a_new_password_ends_the_other_tokens(&Instance::start(&project, "auth.yaml", LOCAL));
}

#[test]
fn l5_a_new_password_ends_the_other_tokens_on_libsql() {
    let project = Project::up(&[]);
    let [one, _] = libsql(&project, false, 40);
    a_new_password_ends_the_other_tokens(&one);
}

#[test]
fn l5_a_new_password_ends_the_other_tokens_with_an_embedded_replica() {
    let project = Project::up(&[]);
    let [one, _] = libsql(&project, true, 40);
    a_new_password_ends_the_other_tokens(&one);
}
