//! C1, the harness: a server's file functions find nothing of ours.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use demo_stack::engine::native::confinement::{SERVER_USER, available};
use serde_json::Value;

use demo_test_support::processes::{pid_in, servers_in};
use demo_test_support::{Project, server_binary};

/// The one value that a statement gives, on a service of a stack.
fn value(project: &Project, service: &str, sql: &str) -> Value {
    let rows = project.demo(["sql", "-o", "json", "--target", service, sql]).success().json();
    let row = &rows.as_array().unwrap()[0];
    row.as_object().unwrap().values().next().unwrap().clone()
}

fn read(path: &Path) -> String {
    format!("select readfile('{}')", path.display())
}

fn status_of(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

#[test]
fn c1_a_file_function_finds_nothing_of_ours() {
    if !available() {
        return;
    }
    let project = Project::new();
    // Readable by all, as an editor leaves it.
    project.write(".env", "SOME_SECRET=x\n");
    project.demo(["up", "--variant", "tls"]).success();
    let other = Project::up(&[]);
    other.demo(["run", "--label", "of-another-project"]).success();
    project.demo(["init"]).success();
    let other_pid = pid_in(&other.local("run/standing/primary.pid"));
    let theirs = other.local("data/primary/primary.sqld/dbs/default/data-wal");
    assert!(theirs.is_file());
    let secrets = [
        project.local("jwt/jwt.key"),
        project.local("jwt/jwt.token"),
        project.local("admin/admin.key"),
        project.local("certs/ca_key.pem"),
        project.local("certs/client_key.pem"),
        project.local("data/replica/replica.sqld/dbs/default/data"),
        project.local("run/standing/state.json"),
        project.join("docker-compose.yml"),
        project.join(".env"),
        other.local("jwt/jwt.key"),
        theirs.clone(),
        Path::new(&format!("/proc/{other_pid}/root")).join(theirs.strip_prefix("/").unwrap()),
        "/etc/shadow".into(),
    ];
    for path in &secrets {
        assert_eq!(value(&project, "primary", &read(path)), Value::Null, "{}", path.display());
    }
    // Its own: it must read this to serve.
    let own = project.local("data/primary/primary.sqld/dbs/default/data");
    let length = format!("select length(readfile('{}')) > 0", own.display());
    assert_eq!(value(&project, "primary", &length), 1);
    // The same word on the replica: what its primary needs is not there.
    let key = project.local("certs/server_key.pem");
    assert_eq!(value(&project, "replica", &read(&key)), Value::Null);
    for path in ["/proc/self/environ", "/proc/1/environ"] {
        assert_eq!(value(&project, "primary", &read(Path::new(path))), Value::Null);
    }
    let listed = format!(
        "select group_concat(name) from fsdir('{}') where name like '%.key' or name like '%.pid'",
        project.path().display()
    );
    assert_eq!(value(&project, "primary", &listed), Value::Null);
    // And writes nothing there.
    let stray = project.join("stray");
    let write = format!("select writefile('{}', 'x')", stray.display());
    assert_eq!(value(&project, "primary", &write), Value::Null);
    assert!(!stray.exists());
}

#[test]
fn c1_a_server_of_root_is_a_user_of_its_own() {
    if !available() {
        return;
    }
    let project = Project::new();
    // The project lies under a folder that this user cannot enter.
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o700)).unwrap();
    project.demo(["up"]).success();
    for service in ["primary", "replica"] {
        let pid = pid_in(&project.local(&format!("run/standing/{service}.pid")));
        let user = format!("{SERVER_USER}\t{SERVER_USER}\t{SERVER_USER}\t{SERVER_USER}");
        assert_eq!(status_of(pid, "Uid"), user);
        assert_eq!(status_of(pid, "Gid"), user);
        assert_eq!(status_of(pid, "Groups"), "");
        assert_eq!(status_of(pid, "CapEff"), "0000000000000000");
        assert_eq!(status_of(pid, "NoNewPrivs"), "1");
        let folder = fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
        assert_eq!(folder, project.local(&format!("data/{service}")));
    }
    let data = project.local("data/primary/primary.sqld");
    assert_eq!(fs::metadata(&data).unwrap().uid(), SERVER_USER);
    project.demo(["run", "--label", "x"]).success();

    // Data that was root's is handed over, and a link in it stays what it is.
    project.demo(["down"]).success();
    let outside = project.join("outside");
    fs::write(&outside, "root's").unwrap();
    std::os::unix::fs::symlink(&outside, data.join("link")).unwrap();
    std::os::unix::fs::chown(data.join("dbs/default/data"), Some(0), Some(0)).unwrap();
    project.demo(["up"]).success();
    project.demo(["run", "--label", "y"]).success();
    assert_eq!(fs::metadata(&outside).unwrap().uid(), 0);
    let said = project.demo(["status", "-v"]).success();
    assert!(said.stderr.contains("servers run as user 666"), "{said:?}");
}

#[test]
fn c1_a_private_key_of_mode_0600_reaches_its_server_and_no_other() {
    if !available() {
        return;
    }
    let project = Project::new();
    project.demo(["setup"]).success();
    for name in ["server_key", "client_key"] {
        let key = project.local(&format!("certs/{name}.pem"));
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    }
    project.demo(["up", "--variant", "tls"]).success();
    project.demo(["run", "--label", "x"]).success();
    project.demo(["count", "--target", "replica", "--wait"]).prints("1\n").success();
}

#[test]
fn c1_a_folder_with_our_own_files_is_not_given_away() {
    if !available() {
        return;
    }
    let project = Project::new();
    project.edit("docker-compose.yml", "- ./.local/data/primary:", "- ./.local:");
    project.demo(["up"]).says("in which demo keeps its own files").fails(2);
    assert_eq!(fs::metadata(project.local("jwt/jwt.key")).unwrap().uid(), 0);
    assert!(servers_in(project.path()).is_empty());
}

#[test]
fn c2_a_native_server_has_no_core_file_and_no_environment_but_its_own() {
    let project = Project::new();
    project.demo(["up"]).env("SECRET_OF_THE_SHELL", "hush").success();
    for service in ["primary", "replica"] {
        let pid = pid_in(&project.local(&format!("run/standing/{service}.pid")));
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let environment = String::from_utf8(environment).unwrap();
        let names: Vec<&str> =
            environment.split('\0').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
        let others = ["LIBSQL_ADMIN_AUTH_KEY", "RUST_MIN_STACK"];
        let known = |name: &&str| name.starts_with("SQLD_") || others.contains(name);
        assert!(names.iter().all(known), "{names:?}");
    }
    assert!(server_binary().is_file());
}
