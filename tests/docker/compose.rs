//! Docker Compose and `demo` on the same stack, in both directions.

use crate::site::Site;

#[test]
fn compose_goes_on_with_what_demo_made() {
    let site = Site::up();
    let services = site.docker(&["compose", "ps", "--services"]);
    assert_eq!(services.lines().collect::<Vec<_>>(), ["primary", "replica"]);
    let log = site.docker(&["compose", "logs", "primary"]);
    assert!(log.contains("listening for incoming user HTTP connection"), "{log}");
    let said = site.docker(&["compose", "exec", "-T", "primary", "bash", "-c", "echo $SQLD_NODE"]);
    assert_eq!(said, "primary");
    site.docker(&["compose", "down", "-v", "--remove-orphans"]);
    site.is_gone();
    site.demo(["down"]).success();
}

#[test]
fn demo_goes_on_with_what_compose_made() {
    let site = Site::new();
    site.demo(["setup"]).success();
    site.docker(&["compose", "up", "-d", "--wait"]);
    let status = site.demo(["status", "-o", "json"]).success().json();
    assert_eq!(status["engine"], "docker");
    assert_eq!(status["services"].as_array().unwrap().len(), 2);
    site.demo(["init"]).success();
    site.demo(["count", "--target", "replica", "--wait"]).prints("0\n").success();
    // What Compose made is what we would make.
    site.demo(["up"]).says("primary   is running already").success();
    site.demo(["down"]).says("primary   stopped").success();
    site.is_gone();
}

#[test]
fn all_four_files_are_compose_files() {
    let site = Site::new();
    let files = [
        "docker-compose.yml",
        "docker-compose.namespaced.yml",
        "docker-compose.tls.yml",
        "docker-compose.namespaced-tls.yml",
    ];
    site.demo(["setup"]).success();
    let mut args = vec!["compose"];
    args.extend(files.iter().flat_map(|file| ["-f", file]));
    let up: Vec<&str> = args.iter().copied().chain(["up", "-d", "--wait"]).collect();
    site.docker(&up);
    site.demo(["namespace", "create", "shop"]).success();
    site.demo(["run", "--namespace", "shop", "--label", "x"]).success();
    site.demo(["count", "--namespace", "shop", "--target", "replica", "--wait"])
        .prints("1\n")
        .success();
    let down: Vec<&str> = args.iter().copied().chain(["down", "-v"]).collect();
    site.docker(&down);
    site.is_gone();
}
