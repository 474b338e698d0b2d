//! One clear error, the right exit code, and nothing half-made.

use std::net::TcpListener;

use crate::site::Site;

#[test]
fn no_daemon() {
    let site = Site::new();
    let nowhere = format!("unix://{}", site.join("no.sock").display());
    for host in [nowhere.as_str(), "tcp://127.0.0.1:1"] {
        let said = site.demo(["up"]).env("DOCKER_HOST", host).fails(3);
        assert!(said.stderr.contains("no Docker engine at"), "{said:?}");
        said.hint("--engine native");
    }
    let said = site.demo(["up"]).env("DOCKER_HOST", "ssh://somewhere").fails(3);
    said.hint("demo supports unix:// and tcp://");
    let said = site.demo(["up"]).env("DOCKER_CONTEXT", "no-such").fails(2);
    assert!(said.stderr.contains("no Docker context `no-such`"), "{said:?}");
}

#[test]
fn a_port_that_a_container_or_a_program_has() {
    let site = Site::new();
    let port = site.ports()[0];
    let publish = format!("127.0.0.1:{port}:1");
    let holder = site.sleeper(&format!("{}-holder", site.name), &["-p", &publish]);
    let said = site.demo(["up"]).fails(2);
    let expected = format!("port {port} is in use by container `{}`", holder.name);
    assert!(said.stderr.contains(&expected), "{said:?}");
    said.hint("PRIMARY_HTTP_PORT");
    drop(holder);
    let held = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let said = site.demo(["up"]).fails(2);
    assert!(said.stderr.contains(&format!("(pid {})", std::process::id())), "{said:?}");
    drop(held);
    site.is_gone();
}

#[test]
fn a_network_or_a_container_of_that_name_that_is_not_ours() {
    let site = Site::new();
    let network = format!("{}_default", site.name);
    site.docker(&["network", "create", &network]);
    let said = site.demo(["up"]).fails(2);
    site.docker(&["network", "rm", &network]);
    said.hint("docker network rm");
    let foreign = site.sleeper(&format!("{}-primary-1", site.name), &[]);
    let said = site.demo(["up"]).fails(2);
    assert!(said.stderr.contains("that is not part of this stack"), "{said:?}");
    assert!(foreign.runs());
    drop(foreign);
    site.is_gone();
}

#[test]
fn a_health_check_that_never_passes() {
    let site = Site::new();
    site.edit("docker-compose.yml", "retries: 60", "retries: 5");
    site.edit("docker-compose.yml", "exec 3<>", "echo sick; false; exec 3<>/nowhere <>");
    let said = site.demo(["up"]).exits(1);
    assert!(said.stderr.contains("its health check fails: sick"), "{said:?}");
    assert!(said.stderr.contains("last lines of primary's log"), "{said:?}");
    site.is_gone();
}

#[test]
fn a_container_that_ends_at_once() {
    let site = Site::new();
    site.edit("docker-compose.yml", "--no-welcome, --admin", "--no-such-flag, --admin");
    let said = site.demo(["up"]).exits(1);
    assert!(said.stderr.contains("primary ended before it was ready"), "{said:?}");
    assert!(said.stderr.contains("unexpected argument '--no-such-flag'"), "{said:?}");
    site.is_gone();
}
