//! However a run ends, nothing of it stays, and nobody else's is touched.

use rustix::process::Signal;

use crate::site::Site;
use demo_test_support::{Background, until};

/// Containers of ephemeral stacks in this site's own folder.
fn ours(site: &Site) -> usize {
    let label = format!("label=libsql-demo.folder={}", site.local("run/ephemeral").display());
    let all = site.docker(&["ps", "-a", "--format", "{{.Label \"libsql-demo.folder\"}}"]);
    let folder = label.trim_start_matches("label=libsql-demo.folder=");
    all.lines().filter(|line| line.starts_with(folder)).count()
}

fn networks(site: &Site) -> usize {
    let folder = site.local("run/ephemeral").display().to_string();
    let all = site.docker(&["network", "ls", "--format", "{{.Label \"libsql-demo.folder\"}}"]);
    all.lines().filter(|line| line.starts_with(&folder)).count()
}

#[test]
fn killed_in_mid_run_cleanup_removes_all_of_it_and_nothing_else() {
    let site = Site::new();
    let foreign = site.sleeper(&format!("demo-namespaces-{}", site.name), &[]);
    let mut run = Background::start(site.command(["smoke"]));
    until("a container runs", || ours(&site) > 0);
    run.signal(Signal::KILL);
    run.end();
    site.demo(["cleanup"]).says("ephemeral stack").success();
    assert_eq!((ours(&site), networks(&site)), (0, 0));
    assert!(foreign.runs());
    let volumes = site.docker(&["volume", "ls", "-q", "--filter", "label=libsql-demo.folder"]);
    assert_eq!(volumes, "");
}

#[test]
fn interrupted_it_removes_all_itself() {
    let site = Site::new();
    let mut run = Background::start(site.command(["smoke", "--scenario", "namespaces"]));
    until("both containers are there", || ours(&site) >= 2);
    run.signal(Signal::INT);
    run.until_says("interrupted");
    assert_eq!(run.end().code(), Some(130));
    assert_eq!((ours(&site), networks(&site)), (0, 0));
}

#[test]
fn the_next_run_sweeps_what_a_killed_one_left() {
    let site = Site::new();
    let mut run = Background::start(site.command(["smoke", "--scenario", "namespaces"]));
    until("a container runs", || ours(&site) > 0);
    run.signal(Signal::KILL);
    run.end();
    let next = ["smoke", "--scenario", "namespaces"];
    site.demo(next).says("swept     1 stack of a run that was killed").success();
    assert_eq!((ours(&site), networks(&site)), (0, 0));
}
