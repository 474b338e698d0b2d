//! What a crash leaves behind is recognised, and nobody is taken for a server.

use std::fs;
use std::process::Command;

use demo_test_support::processes::{kill_server, pid_in, servers_in};
use demo_test_support::{Background, Project, until};

#[test]
fn a_killed_server_is_seen_and_started_again() {
    let project = Project::up(&[]);
    project.demo(["run", "--label", "x"]).success();
    let file = project.local("run/standing/primary.pid");
    let pid = pid_in(&file);
    kill_server(project.path(), pid);
    until("it has ended", || !servers_in(project.path()).contains(&pid));

    let status = project.demo(["status"]).success().stdout;
    assert!(status.contains("primary   stopped"), "{status}");
    assert!(status.contains("replica   healthy"), "{status}");
    project.demo(["count"]).fails(3);

    // A pid file that names a living stranger: `cat`, which waits for its stdin.
    let mut stranger = Background::start(Command::new("cat"));
    fs::write(&file, format!("{}\n", stranger.id())).unwrap();
    let status = project.demo(["status"]).success().stdout;
    assert!(status.contains("primary   stopped"), "{status}");

    let said = project.demo(["up"]).success();
    assert!(said.stderr.contains("primary   ready in"), "{said:?}");
    assert!(said.stderr.contains("replica   is running already"), "{said:?}");
    project.demo(["count"]).prints("1\n").success();
    assert!(stranger.lives());

    // The same for the commands that stop: the stranger is left alone.
    let pid = pid_in(&file);
    kill_server(project.path(), pid);
    until("it has ended", || !servers_in(project.path()).contains(&pid));
    fs::write(&file, format!("{}\n", stranger.id())).unwrap();
    let said = project.demo(["down"]).success();
    assert!(!said.stderr.contains("primary   stopped"), "{said:?}");
    assert!(said.stderr.contains("replica   stopped"), "{said:?}");
    assert!(stranger.lives());
    assert!(servers_in(project.path()).is_empty());
}

#[test]
fn a_damaged_record_is_named_and_cleaned_up() {
    let project = Project::up(&[]);
    project.write(".local/run/standing/state.json", "{\"schema\":99}");
    project.demo(["status"]).says("version 99").fails(2).hint("demo cleanup");
    project.demo(["down"]).says("version 99").fails(2);
    project.demo(["cleanup"]).success();
    assert!(servers_in(project.path()).is_empty(), "cleanup stops what it cannot read about");
}
