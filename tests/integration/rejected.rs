//! Tokens that a server does not take, or takes for less than they are used for.

use std::time::Duration;

use demo_sqld::claims::Grant;
use demo_sqld::token;
use demo_stack::credentials::store::Store;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use demo_test_support::Project;

fn expired(project: &Project) -> String {
    let key = Store::new(project.local("")).signing_key().unwrap();
    let hours = Duration::from_secs(3 * 3600);
    let claims = Grant::full(Duration::from_secs(60)).claims(Timestamp::now() - hours);
    token::mint(&key, &claims).unwrap().expose_secret().to_owned()
}

#[test]
fn an_expired_token_is_told_before_any_server_is_asked() {
    let project = Project::without_server();
    project.demo(["setup"]).success();
    let token = expired(&project);

    let said = project.demo(["count", "--token", &token]).says("expired").fails(4);
    said.hint("demo setup");
    project.demo(["count"]).env("DEMO_TOKEN", &token).says("DEMO_TOKEN expired").fails(4);
    let inspected = project.demo(["token", "inspect", &token]).exits(4);
    assert!(inspected.stdout.contains("expired"), "{inspected:?}");

    project.write(".local/jwt/jwt.token", &token);
    project.demo(["count"]).says("expired").fails(4).hint("demo setup");
    project.demo(["setup"]).success();
    // A new one: now only the server is missing.
    project.demo(["count"]).fails(3);
}

/// Reads, writes: of `auth-check`.
fn allowed(project: &Project, code: i32, arguments: &[&str]) -> (bool, bool) {
    let demo = project.demo(["auth-check", "-o", "json"]).args(arguments);
    let json = demo.exits(code).json();
    (json["reads"].as_bool().unwrap(), json["writes"].as_bool().unwrap())
}

#[test]
fn both_servers_tell_reading_from_writing() {
    let project = Project::up(&[]);
    project.demo(["init"]).success();
    let mint = |arguments: &[&str]| {
        project.demo(["token", "mint"]).args(arguments).success().text().to_owned()
    };
    let (full, reader) = (mint(&[]), mint(&["--access", "ro"]));
    let foreign = {
        let other = Project::without_server();
        other.demo(["setup"]).success();
        other.demo(["token", "mint"]).success().text().to_owned()
    };
    for target in ["primary", "replica"] {
        let with =
            |token: &str, code| allowed(&project, code, &["--target", target, "--token", token]);
        assert_eq!(with(&full, 0), (true, true), "{target}");
        assert_eq!(with(&reader, 0), (true, false), "{target}");
        assert_eq!(with(&foreign, 4), (false, false), "{target}");
        assert_eq!(with("garbage", 4), (false, false), "{target}");

        let insert = |token: &str| {
            project.demo(["insert", "--label", "x", "--target", target, "--token", token])
        };
        insert(&reader).fails(4).hint("demo token inspect");
        insert(&foreign).fails(4).hint("demo token inspect");
        insert("garbage").fails(4);
        let sql = ["sql", "insert into items (label) values ('x')", "--target", target];
        project.demo(sql).args(["--token", &reader]).fails(4).hint("demo token inspect");
        let read = ["count", "--wait", "--target", target, "--token", &reader];
        project.demo(read).prints("0\n").success();
        project.demo(["count", "--target", target, "--token", &foreign]).fails(4);
    }
    // What was only asked for has not happened.
    project.demo(["count"]).prints("0\n").success();
}
