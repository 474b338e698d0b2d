//! The scenarios on Docker.

use serde_json::Value;

use crate::site::Site;
use demo_test_support::Project;

/// Scenario, check and outcome of every check, without what differs by time.
fn outcomes(report: &Value) -> Vec<String> {
    let scenarios = report["scenarios"].as_array().unwrap();
    let mut all = Vec::new();
    for scenario in scenarios {
        assert!(scenario.get("stopped").is_none(), "{scenario}");
        for check in scenario["checks"].as_array().unwrap() {
            let text = |name: &str| check[name].as_str().unwrap().to_owned();
            let name = scenario["name"].as_str().unwrap();
            let (check, expected, outcome) = (text("name"), text("expected"), text("outcome"));
            all.push(format!("{name} / {check} / {expected} / {outcome}"));
        }
    }
    all
}

#[test]
fn both_engines_give_the_same_report() {
    let site = Site::new();
    let docker = site.demo(["smoke", "-o", "json"]).success().json();
    assert_eq!(site.containers("demo-").iter().filter(|n| n.contains(&site.name)).count(), 0);
    let native = Project::new().demo(["smoke", "-o", "json"]).success().json();
    assert_eq!(outcomes(&docker), outcomes(&native));
    assert!(outcomes(&docker).len() >= 36);
    assert!(docker["engine"].as_str().unwrap().starts_with("docker"), "{}", docker["engine"]);
}

#[test]
fn a_server_without_its_key_is_red_here_too() {
    let site = Site::new();
    site.edit("docker-compose.yml", "      SQLD_AUTH_JWT_KEY_FILE: /run/demo/jwt.pub\n", "");
    let said = site.demo(["smoke", "--scenario", "default-replication"]).exits(1);
    assert!(said.stderr.contains("the primary refuses a request without a token"), "{said:?}");
    assert!(said.stderr.contains("last lines of primary's log"), "{said:?}");
}
