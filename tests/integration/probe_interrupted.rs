//! However `demo probe` ends, its servers end too.

use rustix::process::Signal;

use crate::smoke_green::{ephemeral, nothing_is_left};
use demo_test_support::processes::servers_in;
use demo_test_support::{Background, Project, until};

/// Its probes wait for seconds, on several stacks.
const LONG: [&str; 3] = ["probe", "--area", "replication"];

#[test]
fn interrupted_in_mid_run_it_leaves_nothing() {
    for signal in [Signal::INT, Signal::TERM] {
        let project = Project::new();
        let mut run = Background::start(project.command(LONG));
        until("some servers run", || servers_in(project.path()).len() >= 3);
        run.signal(signal);
        run.until_says("interrupted");
        assert_eq!(run.end().code(), Some(130));
        nothing_is_left(&project);
    }
}

#[test]
fn killed_in_mid_run_it_leaves_no_server_and_the_next_run_sweeps() {
    let project = Project::new();
    let mut run = Background::start(project.command(LONG));
    until("some servers run", || servers_in(project.path()).len() >= 3);
    run.signal(Signal::KILL);
    run.end();
    until("the servers have ended", || servers_in(project.path()).is_empty());
    assert!(!ephemeral(&project).is_empty(), "folders that nobody could remove");

    let next = ["probe", "--id", "sqlite-version"];
    project.demo(next).says("of a run that was killed").success();
    nothing_is_left(&project);
}
