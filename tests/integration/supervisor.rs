//! C2, the harness: a native server that died is started again, as `restart:` says.

use std::fs;
use std::path::Path;

use demo_test_support::processes::{kill_server, pid_in, servers_in};
use demo_test_support::{Project, until, until_some};

/// A stack whose primary has this policy; the replica has `no`.
fn with_policy(policy: &str) -> Project {
    let project = Project::new();
    let primary = "    <<: *sqld\n    # The image";
    let own = format!("    <<: *sqld\n    restart: {policy}\n    # The image");
    project.edit("docker-compose.yml", primary, &own);
    project.demo(["up"]).success();
    project
}

fn primary(project: &Project) -> u32 {
    pid_in(&project.local("run/standing/primary.pid"))
}

/// Whether a process with this project's folder supervises.
fn supervisors(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let commands = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    commands
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .filter(|command| command.contains("__supervise") && command.contains(folder))
        .count()
}

fn again(project: &Project, old: u32) -> u32 {
    until_some("the primary runs again", || {
        let text = fs::read_to_string(project.local("run/standing/primary.pid")).ok()?;
        let pid = text.trim().parse().ok()?;
        (pid != old && servers_in(project.path()).contains(&pid)).then_some(pid)
    })
}

#[test]
fn c2_a_server_that_died_is_started_again_until_it_is_taken_down() {
    let project = with_policy("unless-stopped");
    assert_eq!(supervisors(project.path()), 1);
    project.demo(["run", "--label", "x"]).success();
    for count in 1..=2 {
        let old = primary(&project);
        kill_server(project.path(), old);
        again(&project, old);
        until("it answers", || {
            project.demo(["status"]).success().stdout.contains("primary   healthy")
        });
        let json = project.demo(["status", "-o", "json"]).success().json();
        assert_eq!(json["services"][0]["restarts"], count);
        assert_eq!(json["services"][1]["restarts"], 0);
    }
    project.demo(["count"]).prints("1\n").success();
    assert!(
        project.read(".local/logs/supervisor.log").contains("primary started again, restart 2")
    );
    // `up` on what stands keeps one supervisor, `restart` begins to count anew.
    project.demo(["up"]).says("is running already").success();
    assert_eq!(supervisors(project.path()), 1);
    project.demo(["restart", "primary"]).success();
    let json = project.demo(["status", "-o", "json"]).success().json();
    assert_eq!(json["services"][0]["restarts"], 0);

    project.demo(["down"]).says("primary   stopped").success();
    assert_eq!(supervisors(project.path()), 0);
    assert!(servers_in(project.path()).is_empty());
    project.demo(["up"]).success();
    assert_eq!(supervisors(project.path()), 1);
    project.demo(["cleanup"]).success();
    assert_eq!(supervisors(project.path()), 0);
    assert!(servers_in(project.path()).is_empty());
}

#[test]
fn c2_no_policy_means_no_supervisor() {
    let project = Project::up(&[]);
    assert_eq!(supervisors(project.path()), 0);
    assert!(!project.local("run/standing/supervisor.pid").exists());
}

#[test]
fn c2_on_failure_counts() {
    let project = with_policy("on-failure:1");
    let first = primary(&project);
    kill_server(project.path(), first);
    let second = again(&project, first);
    kill_server(project.path(), second);
    until("it has ended", || !servers_in(project.path()).contains(&second));
    until("the supervisor gives up", || {
        project.read(".local/logs/supervisor.log").contains("has used all its restarts")
    });
    project.demo(["down"]).success();
    let log = project.read(".local/logs/supervisor.log");
    assert_eq!(log.matches("primary started again").count(), 1, "{log}");
    project.edit("docker-compose.yml", "restart: on-failure:1", "restart: sometimes");
    project.demo(["up"]).says("`sometimes` is not a restart policy").fails(2);
}

#[test]
fn c2_what_is_taken_down_while_it_dies_stays_down() {
    let project = with_policy("always");
    for _ in 0..3 {
        kill_server(project.path(), primary(&project));
        project.demo(["down"]).success();
        assert!(servers_in(project.path()).is_empty());
        assert_eq!(supervisors(project.path()), 0);
        project.demo(["up"]).success();
    }
    // A record that is gone ends the supervisor by itself.
    project.demo(["down"]).success();
    assert!(servers_in(project.path()).is_empty());
}
