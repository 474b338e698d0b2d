//! `logs`, `logs -f`.

use rustix::process::Signal;

use demo_test_support::{Background, Project};

#[test]
fn logs_are_shown_and_followed_until_interrupted() {
    let project = Project::up(&[]);
    let all = project.demo(["logs"]).success().stdout;
    assert!(all.contains("primary   ") && all.contains("replica   "), "{all}");
    let one = project.demo(["logs", "primary"]).success().stdout;
    assert!(one.contains("listening for incoming user HTTP connection"), "{one}");
    let tail = project.demo(["logs", "primary", "--tail", "2"]).success().stdout;
    assert_eq!(tail.lines().count(), 2, "{tail}");
    assert!(one.ends_with(&tail));
    project.demo(["logs", "nobody"]).says("no service `nobody`").fails(5);

    let mut follower = Background::start(project.command(["logs", "-f", "--tail", "0"]));
    // A server that starts again writes its first lines again.
    project.demo(["restart", "replica"]).success();
    let line = follower.until_says("replica   ");
    assert!(line.starts_with("replica   "), "{line}");
    assert!(follower.lives());
    follower.signal(Signal::INT);
    assert_eq!(follower.end().code(), Some(130));
}
