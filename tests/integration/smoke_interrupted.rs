//! However `demo smoke` ends, its servers end too.

use std::time::Duration;

use rustix::process::Signal;

use crate::smoke_green::{ephemeral, nothing_is_left};
use demo_test_support::processes::servers_in;
use demo_test_support::{Background, Project, until};

/// Long enough to be met in the middle: the replica has nobody to follow.
fn slow_project() -> Project {
    let project = Project::new();
    let url = "http://primary:5001";
    project.edit("docker-compose.yml", url, "http://nowhere.invalid:5001");
    project
}

const SLOW: [&str; 3] = ["smoke", "--scenario", "default-replication"];

#[test]
fn killed_in_mid_run_it_leaves_no_server_and_the_next_run_sweeps() {
    let project = slow_project();
    let mut run = Background::start(project.command(SLOW));
    until("both servers run", || servers_in(project.path()).len() == 2);
    run.signal(Signal::KILL);
    run.end();
    until("the servers have ended", || servers_in(project.path()).is_empty());
    assert_eq!(ephemeral(&project).len(), 1, "its folder, which nobody could remove");

    project.edit("docker-compose.yml", "http://nowhere.invalid:5001", "http://primary:5001");
    project.demo(["smoke"]).says("swept     1 stack of a run that was killed").success();
    nothing_is_left(&project);
}

#[test]
fn killed_while_it_starts_it_leaves_no_server_either() {
    let project = Project::new();
    for _ in 0..3 {
        let mut run = Background::start(project.command(["smoke", "--jobs", "4"]));
        until("a first server runs", || !servers_in(project.path()).is_empty());
        run.signal(Signal::KILL);
        run.end();
        until("the servers have ended", || servers_in(project.path()).is_empty());
    }
    project.demo(["smoke"]).says("of a run that was killed").success();
    nothing_is_left(&project);
}

#[test]
fn killed_beside_its_login_instances_it_leaves_none_of_them() {
    let project = Project::new();
    let mut run = Background::start(project.command(["smoke", "--scenario", "shared-login"]));
    until("two servers and two instances run", || servers_in(project.path()).len() == 4);
    run.signal(Signal::KILL);
    run.end();
    until("all have ended", || servers_in(project.path()).is_empty());
    project.demo(["cleanup"]).success();
    nothing_is_left(&project);
}

#[test]
fn a_termination_signal_cleans_up() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let project = slow_project();
        let mut run = Background::start(project.command(SLOW));
        until("both servers run", || servers_in(project.path()).len() == 2);
        run.signal(signal);
        run.until_says("interrupted");
        assert_eq!(run.end().code(), Some(130));
        nothing_is_left(&project);
    }
}

#[test]
fn control_c_on_a_terminal_cleans_up() {
    let project = slow_project();
    let deadline = Duration::from_secs(20).as_millis().try_into().unwrap();
    let mut session =
        rexpect::session::spawn_command(project.command(SLOW), Some(deadline)).unwrap();
    // Something moves while one waits.
    session.exp_string("default-replication").unwrap();
    until("both servers run", || servers_in(project.path()).len() == 2);
    session.send_control('c').unwrap();
    session.exp_string("interrupted; nothing left running").unwrap();
    session.exp_eof().unwrap();
    // `Exited(Pid(4121), 130)`; the crate does not export the type.
    let status = format!("{:?}", session.process().wait().unwrap());
    assert!(status.starts_with("Exited") && status.ends_with(", 130)"), "{status}");
    nothing_is_left(&project);
}
