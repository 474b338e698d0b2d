//! L1: what removes files follows no link, and says so before it stops anything.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use demo_test_support::Project;
use demo_test_support::processes::servers_in;

/// A folder of somebody else's with all that a cleanup looks for.
fn outside(project: &Project) -> PathBuf {
    let outside = project.join("outside");
    for name in FILES {
        let path = outside.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "precious").unwrap();
    }
    outside
}

const FILES: [&str; 10] = [
    "data/primary/db",
    "jwt/jwt.key",
    "certs/ca_key.pem",
    "logs/primary.log",
    "embedded/default.db",
    "bin/program",
    "run/standing/other.txt",
    "ephemeral/file",
    "run/ephemeral/demo-x-00000000/file",
    "standing/file",
];

fn all_there(outside: &Path) {
    for name in FILES {
        assert!(outside.join(name).is_file(), "{name} is lost");
    }
}

const REMOVING: [&[&str]; 3] = [&["cleanup"], &["cleanup", "--all"], &["down", "--volumes"]];

#[test]
fn l1_a_linked_local_folder_loses_nothing() {
    for command in REMOVING {
        let project = Project::without_server();
        let outside = outside(&project);
        symlink(&outside, project.join(".local")).unwrap();
        let said = project.demo(command.iter().copied()).says(".local is a symbolic link").fails(2);
        said.hint("nothing was stopped or removed");
        all_there(&outside);
        fs::remove_file(project.join(".local")).unwrap();
    }
}

#[test]
fn l1_a_linked_folder_below_local_is_found_before_anything_is_stopped() {
    let project = Project::up(&[]);
    let outside = outside(&project);
    let before = servers_in(project.path());
    assert_eq!(before.len(), 2);
    for command in REMOVING {
        fs::remove_dir_all(project.local("embedded")).ok();
        let link = project.local("embedded");
        symlink(outside.join("embedded"), &link).unwrap();
        project.demo(command.iter().copied()).says("embedded is a symbolic link").fails(2);
        fs::remove_file(link).unwrap();
        all_there(&outside);
        assert_eq!(servers_in(project.path()), before, "nothing was stopped");
        assert!(project.local("jwt/jwt.key").is_file() && project.local("data/primary").is_dir());
    }
}

#[test]
fn l1_each_folder_that_a_cleanup_removes_is_looked_at() {
    for name in ["data", "jwt", "certs", "logs", "embedded", "run", "run/standing", "run/ephemeral"]
    {
        let project = Project::without_server();
        let outside = outside(&project);
        let link = project.local(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(outside.join(name.rsplit('/').next().unwrap()), &link).unwrap();
        project.demo(["cleanup"]).says("is a symbolic link").fails(2);
        all_there(&outside);
        fs::remove_file(link).unwrap();
    }
}

#[test]
fn l1_a_link_inside_goes_and_its_target_stays() {
    let project = Project::without_server();
    let outside = outside(&project);
    for folder in ["data/primary", "logs", "run/ephemeral"] {
        fs::create_dir_all(project.local(folder)).unwrap();
        symlink(&outside, project.local(folder).join("link")).unwrap();
    }
    symlink(outside.join("jwt/jwt.key"), project.local("logs/file")).unwrap();
    project.demo(["cleanup"]).success();
    for gone in ["data", "logs", "run"] {
        assert!(project.local(gone).symlink_metadata().is_err(), "{gone}");
    }
    all_there(&outside);
}

#[test]
fn l1_a_smoke_run_sweeps_through_no_link() {
    let project = Project::new();
    let outside = outside(&project);
    fs::create_dir_all(project.local("run")).unwrap();
    let link = project.local("run/ephemeral");
    symlink(outside.join("run/ephemeral"), &link).unwrap();
    project.demo(["smoke"]).says("ephemeral is a symbolic link").fails(2);
    all_there(&outside);
    fs::remove_file(link).unwrap();
}
