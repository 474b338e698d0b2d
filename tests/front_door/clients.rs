//! Alice, Bob and the real clients.

use std::process::Command;

use serde_json::Value;

use crate::door::{Door, Person, client, node, run};

#[test]
fn alice_gets_into_her_namespace_by_every_door_and_into_bobs_by_none() {
    let mut door = Door::open();
    let (alice, bob) = (door.person("alice"), door.person("bob"));
    let key = door.project.local("jwt/jwt.key");
    let admin_key = door.project.read(".local/admin/admin.key");
    let attack = |url: &str| {
        let mut command = Command::new("timeout");
        command.args(["300", "node"]).arg(client("doors.mjs"));
        command.args(["--url", url, "--own", &alice.namespace, "--other", &bob.namespace]);
        command.args(["--issuer", "demo-mint", "--key"]).arg(&key);
        command.env("DOORS_OWN_TOKEN", &alice.token).env("DOORS_OTHER_TOKEN", &bob.token);
        // The worst case: the attacker knows the key, and the gate has no Admin API.
        command.env("LIBSQL_ADMIN_AUTH_KEY", admin_key.trim());
        run(command)
    };
    let (code, seen) = attack(&format!("http://127.0.0.1:{}", door.gate_port));
    assert_eq!(code, Some(0), "{}", wrong(&seen));
    // The same against the server itself shows that the script can tell.
    let (code, seen) = attack(&format!("http://127.0.0.1:{}", door.project.ports()[0]));
    assert_eq!(code, Some(1), "the server has no holes any more?");
    assert!(!wrong(&seen).is_empty());
    door.never_says(&[&alice.token, &bob.token, &alice.login, &bob.login]);
}

/// The doors that were not as expected, for a person.
fn wrong(seen: &Value) -> String {
    let doors = seen["doors"].as_array().or(seen.as_array()).cloned().unwrap_or_default();
    let bad = doors.iter().filter(|door| door["verdict"] != "as expected");
    bad.map(Value::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_typescript_client_does_through_the_gate_all_that_it_does_directly() {
    let mut door = Door::open();
    let (alice, bob) = (door.person("alice"), door.person("bob"));
    let compare = |url: &str, person: &Person| {
        let (code, seen) = run(node("compare.mjs", &["--url", url], &person.token));
        assert_eq!(code, Some(0), "{seen}");
        seen
    };
    // Two people, so that neither run finds what the other has left.
    let mut through = compare(&alice.url, &alice);
    let mut directly = compare(&door.direct(&bob), &bob);
    // What the server refuses the gate refuses first, in its own words, where it is not
    // on its list.
    for protocol in ["http", "ws"] {
        for refused in ["noFunction", "vacuum", "pragma"] {
            let errors = through[protocol]["errors"].as_object_mut().unwrap();
            let said = errors.remove(refused).unwrap();
            assert_eq!(said["error"]["code"], "sql-forbidden", "{refused}: {said}");
            let errors = directly[protocol]["errors"].as_object_mut().unwrap();
            let said = errors.remove(refused).unwrap();
            assert!(said["error"].is_object(), "{refused}: {said}");
        }
    }
    assert_eq!(through, directly);
    assert!(through["http"].is_object() && through["ws"].is_object(), "both were tried");
    door.never_says(&[&alice.token, &bob.token]);
}

#[test]
fn compat1_a_refusal_costs_the_typescript_client_one_statement() {
    let mut door = Door::open();
    let alice = door.person("alice");
    let (code, seen) = run(node("refused.mjs", &["--url", &alice.url], &alice.token));
    assert_eq!(code, Some(0), "{seen}");
    for place in ["inside", "beside", "first"] {
        assert_eq!(seen[place], "sql-forbidden", "{seen}");
    }
    assert_eq!((&seen["rows"], &seen["after"]), (&Value::from(2), &Value::from("alive")));
    door.never_says(&[&alice.token]);
}

#[test]
fn an_embedded_replica_of_the_npm_client_follows_its_own_namespace_alone() {
    let door = Door::open();
    let (alice, bob) = (door.person("alice"), door.person("bob"));
    // `NAME.localhost` is not in DNS on plain Debian, and the library asks nobody else:
    // it runs with a hosts file of its own.
    let hosts = door.project.join("hosts");
    let names = [&alice, &bob].map(|person| format!("{}.localhost", person.namespace)).join(" ");
    std::fs::write(&hosts, format!("127.0.0.1 localhost {names}\n")).unwrap();
    let embedded = |url: &str, more: &str| {
        let script = format!(
            "mount --bind '{}' /etc/hosts && exec timeout 60 node '{}' --url '{url}' {more}",
            hosts.display(),
            client("embedded.mjs").display()
        );
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script]);
        command.env("DEMO_TOKEN", &alice.token);
        run(command)
    };
    let (code, own) = embedded(&alice.url, "");
    assert_eq!(code, Some(0), "{own}");
    let (code, other) = embedded(&bob.url, "--refused");
    assert_eq!(code, Some(0), "{other}");
    // Straight at the server she gets in: the check can fail.
    let (code, other) = embedded(&door.direct(&bob), "--refused");
    assert_eq!(code, Some(1), "{other}");
}
