//! The launcher: a server that ends with its owner, by either way to notice.

use std::process::Command;

use demo_test_support::processes::{pid_in, servers_in};
use demo_test_support::{Background, Project, server_binary, until};

/// `demo __exec` with the server behind it.
fn launcher(project: &Project, lifeline: &[&str]) -> Command {
    let file = project.join("server.pid");
    let mut command = project.command(["__exec", "--pid-file", file.to_str().unwrap()]);
    let address = format!("127.0.0.1:{}", project.ports()[0]);
    command.args(lifeline).arg("--").arg(server_binary());
    command.args(["--no-welcome", "--http-listen-addr", &address, "--db-path"]);
    command.arg(project.join("data"));
    command
}

#[test]
fn closing_the_pipe_ends_the_server() {
    let project = Project::new();
    let owner = std::process::id().to_string();
    let mut supervisor =
        Background::start(launcher(&project, &["--owner", &owner, "--lifeline", "pipe"]));
    supervisor.until_says("listening for incoming user HTTP connection");
    let server = pid_in(&project.join("server.pid"));
    assert_ne!(server, supervisor.id(), "the supervisor stays between");
    assert!(servers_in(project.path()).contains(&server));

    supervisor.close_stdin();
    supervisor.end();
    until("the server has ended", || !servers_in(project.path()).contains(&server));
}

#[test]
fn the_pid_file_belongs_to_one_server() {
    let project = Project::new();
    let mut server = Background::start(launcher(&project, &[]));
    server.until_says("listening for incoming user HTTP connection");
    // The launcher has become the server.
    assert_eq!(pid_in(&project.join("server.pid")), server.id());

    let second = demo_test_support::Demo::new(launcher(&project, &[]));
    second.says("a running server holds").fails(1);
    assert!(server.lives());
}

#[test]
fn an_owner_that_has_gone_is_noticed() {
    let project = Project::new();
    // The test is the parent, and this pid is not the test's.
    let owner = Background::start(Command::new("cat"));
    let orphan = launcher(&project, &["--owner", &owner.id().to_string()]);
    if cfg!(target_os = "linux") {
        demo_test_support::Demo::new(orphan).says("has ended").fails(1);
    }
    assert!(servers_in(project.path()).is_empty());
}
