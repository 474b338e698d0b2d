//! The standing stack on Docker.

use serde_json::Value;

use crate::site::Site;

fn ids(site: &Site) -> Vec<String> {
    let status = site.demo(["status", "-o", "json"]).success().json();
    let services = status["services"].as_array().unwrap();
    services.iter().map(|service| service["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn it_comes_up_serves_and_goes() {
    let site = Site::up();
    site.demo(["init"]).success();
    site.demo(["insert", "--label", "hello"]).prints("1\n").success();
    site.demo(["count", "--target", "replica", "--wait"]).prints("1\n").success();
    let status = site.demo(["status", "-o", "json"]).success().json();
    assert_eq!(status["engine"], "docker");
    for service in status["services"].as_array().unwrap() {
        assert_eq!(service["healthy"], true, "{service}");
        assert!(service["id"].as_str().unwrap().starts_with("container "), "{service}");
        assert!(service["uptime_seconds"].is_i64(), "{service}");
    }
    let logs = site.demo(["logs", "primary", "--tail", "5"]).success().stdout;
    assert_eq!(logs.lines().count(), 5, "{logs}");

    site.demo(["down"]).says("primary   stopped").success();
    site.is_gone();
    site.demo(["up"]).success();
    site.demo(["count"]).prints("1\n").success();
    site.demo(["down", "--volumes"]).success();
    assert!(!site.local("data").exists());
    site.demo(["cleanup"]).success();
    site.is_gone();
}

#[test]
fn up_again_changes_nothing_and_a_changed_plan_is_replaced() {
    let site = Site::up();
    let before = ids(&site);
    site.demo(["up"]).says("primary   is running already").success();
    assert_eq!(ids(&site), before);
    site.demo(["up", "--variant", "namespaced"]).says("restarted with its changes").success();
    assert!(ids(&site).iter().all(|id| !before.contains(id)));
    site.demo(["namespace", "create", "shop"]).success();
    site.demo(["run", "--namespace", "shop", "--label", "x"]).success();
    site.demo(["count", "--namespace", "shop", "--target", "replica", "--wait"])
        .prints("1\n")
        .success();
    // New keys: the server reads them at boot only.
    let before = ids(&site);
    site.demo(["setup", "--force"]).success();
    site.demo(["up"]).says("restarted with its changes").success();
    assert!(ids(&site).iter().all(|id| !before.contains(id)));
    site.demo(["down"]).success();
}

#[test]
fn namespaces_and_tls_together() {
    let site = Site::new();
    site.demo(["up", "--variant", "namespaced", "--variant", "tls"]).success();
    site.demo(["namespace", "create", "shop"]).success();
    site.demo(["run", "--namespace", "shop", "--label", "x"]).success();
    site.demo(["count", "--namespace", "shop", "--target", "replica", "--wait"])
        .prints("1\n")
        .success();
    site.demo(["restart", "replica"]).success();
    site.demo(["count", "--namespace", "shop", "--target", "replica", "--wait"])
        .prints("1\n")
        .success();
    site.demo(["down"]).success();
    site.is_gone();
}

#[test]
fn ports_are_on_loopback_and_the_server_is_not_root() {
    let site = Site::up();
    let primary = format!("{}-primary-1", site.name);
    let ports = site.docker(&["inspect", "-f", "{{json .HostConfig.PortBindings}}", &primary]);
    let ports: Value = serde_json::from_str(&ports).unwrap();
    for binding in ports.as_object().unwrap().values() {
        assert_eq!(binding[0]["HostIp"], "127.0.0.1");
    }
    // The script execs the server, so signals arrive at it: it is process 1.
    let one = site.docker(&["exec", &primary, "cat", "/proc/1/status"]);
    assert!(one.lines().any(|line| line.split_whitespace().eq(["Name:", "sqld"])), "{one}");
    assert!(one.lines().any(|line| line.starts_with("Uid:\t666")), "{one}");
    let since = std::time::Instant::now();
    site.demo(["down"]).success();
    assert!(since.elapsed().as_secs() < 8, "it had to be killed after its 10 s of grace");
}

#[test]
fn a_file_of_the_container_s_user_is_removed_and_a_link_is_not_followed() {
    let site = Site::up();
    let outside = site.join("outside");
    std::fs::create_dir(&outside).unwrap();
    site.write("outside/precious", "x");
    std::os::unix::fs::symlink(&outside, site.local("data/primary/link")).unwrap();
    site.demo(["down", "--volumes"]).success();
    assert!(!site.local("data").exists());
    assert_eq!(site.read("outside/precious"), "x");
}

#[test]
fn doctor_names_the_daemon_and_the_image() {
    let site = Site::new();
    let findings = site.demo(["doctor", "-o", "json"]).exits(0).json();
    let text = findings.to_string();
    assert!(text.contains("engine") && text.contains("API"), "{text}");
    assert!(text.contains("is present, linux/"), "{text}");
}
