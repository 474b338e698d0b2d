//! What a person gets wrong: one `error:` line, the right exit code, a way out.

use std::fs;
use std::net::TcpListener;

use demo_test_support::Project;

/// Arguments, exit code, a part of the message, a part of the hint.
type Row<'a> = (&'a [&'a str], i32, &'a str, Option<&'a str>);

fn check(project: &Project, rows: &[Row]) {
    for (arguments, code, message, hint) in rows {
        let said = project.demo(arguments.iter().copied()).says(message).fails(*code);
        if let Some(hint) = hint {
            said.hint(hint);
        }
    }
}

#[test]
fn words_that_the_command_line_does_not_know() {
    let project = Project::without_server();
    check(
        &project,
        &[
            (&["count", "--target", "nowhere"], 2, "invalid value 'nowhere'", None),
            (&["conut"], 2, "unrecognized subcommand 'conut'", None),
            (&["smoke", "--scenario", "nothing"], 2, "invalid value 'nothing'", None),
            (&["smoke", "--report", "junit"], 2, "write FORMAT=PATH", None),
            (&["smoke", "--report", "pdf=x"], 2, "`pdf` is not a report format", None),
            (
                &["smoke", "--report", "json=no/folder/x.json"],
                2,
                "does not exist",
                Some("create the folder first"),
            ),
            (&["smoke", "--jobs", "0"], 2, "0", None),
            (&["count", "-o", "env"], 2, "only `demo status`", Some("-o json")),
            (&["token", "mint", "--ttl", "soon"], 2, "24h", None),
            (&["token", "mint", "--ttl", "0s"], 2, "at least a second", None),
            (&["up", "--variant", "default", "--variant", "tls"], 2, "the base stack alone", None),
            (&["up", "--engine", "podman"], 2, "invalid value 'podman'", None),
            (&["status", "--project-dir", "absent"], 5, "does not exist", None),
        ],
    );
}

#[test]
fn namespace_names_are_checked_before_anything_is_sent() {
    let project = Project::without_server();
    let too_long = "x".repeat(300);
    for name in ["../x", "", "a b", "a.b", "A/b", "-", "é", &too_long] {
        let long = format!("--namespace={name}");
        project.demo(["count", &long]).fails(2);
        project.demo(["token", "mint", &long]).fails(2);
        project.demo(["namespace", "create", "--", name]).fails(2);
    }
}

#[test]
fn files_that_are_missing_or_hold_something_else() {
    let project = Project::without_server();
    check(
        &project,
        &[
            (&["count"], 5, "jwt.token", Some("demo setup")),
            (&["count", "--token-path", "absent"], 5, "absent", Some("--token-path")),
            (&["token", "mint"], 5, "jwt.key", Some("demo setup")),
            (&["certs", "show"], 5, "cert", Some("demo")),
            (&["token", "inspect", "rubbish"], 5, "jwt.pub", Some("demo setup")),
        ],
    );
    project.demo(["setup"]).success();
    project.write("empty", "\n");
    check(
        &project,
        &[
            (&["token", "inspect", "rubbish"], 2, "not a JWT", Some("demo token mint")),
            (&["count", "--token-path", "empty"], 2, "there is no token", Some("demo token mint")),
            (&["count", "--token-path", "."], 2, "", None),
        ],
    );
}

#[test]
fn keys_that_are_none() {
    let project = Project::without_server();
    project.demo(["setup"]).success();
    let key = project.local("jwt/jwt.key");
    let public = fs::read(project.local("jwt/jwt.pub")).unwrap();

    fs::write(&key, public).unwrap();
    let said = project.demo(["token", "mint"]).says("contains an Ed25519 public key").fails(2);
    said.hint("openssl genpkey -algorithm ed25519");

    fs::write(&key, "rubbish").unwrap();
    project.demo(["token", "mint"]).says("jwt.key").fails(2).hint("demo setup --force");

    fs::write(&key, [0xff, 0xfe, 0]).unwrap();
    project.demo(["token", "mint"]).says("jwt.key").fails(2);

    // As root every file can be read, a folder in its place cannot.
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    project.demo(["token", "mint"]).says("jwt.key").fails(2);
    project.demo(["setup"]).says("jwt.key").fails(2);
}

#[test]
fn nothing_is_there_to_talk_to() {
    let project = Project::without_server();
    project.demo(["setup"]).success();
    let free = format!("http://127.0.0.1:{}", project.ports()[3]);
    let rows: &[Row] = &[
        (&["count"], 3, "cannot connect to http://127.0.0.1:", Some("demo up")),
        (&["count", "--target", "replica", "--wait"], 3, "127.0.0.1", None),
        (&["count", "--url", &free], 3, &free, Some("--url")),
        (&["sql", "select 1"], 3, "127.0.0.1", None),
        (&["auth-check"], 3, "127.0.0.1", None),
        (&["namespace", "create", "shop"], 3, "127.0.0.1", None),
        (&["status"], 3, "no stack is running", Some("demo up")),
        (&["logs"], 3, "no stack is running", Some("demo up")),
        (&["restart"], 3, "no stack is running", Some("demo up")),
        (&["count", "--url", "ftp://x"], 2, "ftp", None),
        (&["count", "--wait", "--url", &free], 2, "--wait", Some("--target replica")),
    ];
    check(&project, rows);
    project.demo(["down"]).says("no stack is running").success();
}

#[test]
fn a_taken_port_names_its_holder() {
    let project = Project::new();
    let [primary, _, admin, _] = project.ports();
    for (port, variable) in [(primary, "PRIMARY_HTTP_PORT"), (admin, "PRIMARY_ADMIN_PORT")] {
        let held = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let own = format!("(pid {})", std::process::id());
        let said = project.demo(["up"]).says(&format!("port {port} is in use by `")).fails(2);
        assert!(said.stderr.contains(&own), "{said:?}");
        said.hint(variable);
        drop(held);
        project.demo(["status"]).says("no stack is running").fails(3);
    }
}

#[test]
fn a_damaged_download_is_refused() {
    let project = Project::without_server();
    project.write("rubbish.tgz", "this is no archive");
    project.write("empty", "");
    // A gzip header, and then nothing that was ever compressed.
    project.write("cut.tgz", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff]);
    let whole = fs::read(demo_test_support::server_binary()).unwrap();
    project.write("cut-binary", &whole[..whole.len() / 2]);
    let mut changed = whole;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    project.write("changed-binary", changed);
    let files = [
        ("rubbish.tgz", 2),
        ("empty", 2),
        ("cut.tgz", 1),
        ("cut-binary", 1),
        ("changed-binary", 1),
    ];
    for (file, code) in files {
        let said = project.demo(["sqld", "install", "--from", file]).fails(code);
        assert!(said.stderr.contains("hint:"), "{said:?}");
        let left = fs::read_dir(project.local("bin")).unwrap().map(|entry| entry.unwrap().path());
        let left: Vec<_> = left.filter(|path| fs::metadata(path).unwrap().len() > 0).collect();
        assert!(left.is_empty(), "{file} leaves nothing: {left:?}");
    }
    project.demo(["sqld", "install", "--from", "absent.tgz"]).says("absent.tgz").fails(5);
    project.demo(["sqld", "install", "--platform", "vax"]).says("linux-x64").fails(2);
}

#[test]
fn a_folder_that_cannot_be_written() {
    let project = Project::without_server();
    // A file where the folder should be: not even root can write there.
    project.write(".local", "");
    project.demo(["setup"]).says(".local").fails(2);
    project.demo(["up"]).says(".local").fails(2);
    project.demo(["smoke"]).says(".local").fails(2);
    fs::remove_file(project.join(".local")).unwrap();

    let project = Project::new();
    project.write(".local/data", "");
    project.demo(["up"]).says(".local/data").fails(2);
    fs::remove_file(project.local("data")).unwrap();
}

#[test]
fn a_compose_file_that_asks_for_more() {
    let project = Project::without_server();
    project.edit("docker-compose.yml", "\n  primary:\n", "\n  primary:\n    privileged: true\n");
    let said = project.demo(["up", "--dry-run"]).says("privileged").fails(2);
    assert!(said.stderr.contains("primary"), "{said:?}");
    project.demo(["up"]).says("privileged").fails(2);

    project.write("docker-compose.yml", "services: [\n");
    project.demo(["up", "--dry-run"]).says("docker-compose.yml").fails(2);
    project.write("docker-compose.yml", "services: {}\n");
    project.demo(["up", "--dry-run"]).fails(2);
}

#[test]
fn settings_that_make_no_sense() {
    let project = Project::without_server();
    for port in ["99999", "http", "0"] {
        project.write(".env", format!("PRIMARY_HTTP_PORT={port}\n"));
        let message = format!("PRIMARY_HTTP_PORT in .env is `{port}`");
        let demo = project.demo(["status"]).env_remove("PRIMARY_HTTP_PORT");
        demo.says(&message).fails(2).hint("1 to 65535");
        let demo = project.demo(["up"]).env_remove("PRIMARY_HTTP_PORT");
        demo.says(&message).fails(2);
    }
    project.write(".env", "PRIMARY_HTTP_PORT=1\n");
    // The environment, where the ports are good, is stronger.
    project.demo(["up", "--dry-run"]).success();
    project.demo(["status"]).env("DEMO_ENGINE", "podman").says("DEMO_ENGINE").fails(2);
    project.demo(["smoke"]).env("EXPECT_NAMESPACE_REPLICA", "maybe").says("maybe").fails(2);
    project.write(".env", "no equals sign\n");
    project.demo(["status"]).says(".env").fails(2);
}
