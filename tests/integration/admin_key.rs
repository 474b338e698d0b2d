//! The key of the Admin API is made here, and is nobody else's.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use demo_test_support::Project;
use demo_test_support::processes::pid_in;

fn environment(project: &Project) -> String {
    let pid = pid_in(&project.local("run/standing/primary.pid"));
    String::from_utf8(fs::read(format!("/proc/{pid}/environ")).unwrap()).unwrap()
}

#[test]
fn read_setup_makes_an_admin_key_that_the_stack_and_its_commands_use() {
    let project = Project::new();
    let said = project.demo(["setup"]).success();
    assert!(said.stdout.contains("created Admin key"), "{said:?}");
    let path = project.local("admin/admin.key");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let key = fs::read_to_string(&path).unwrap();
    let key = key.trim();
    assert_eq!(key.len(), 64);
    assert!(!said.stdout.contains(key));
    project.demo(["setup"]).prints("").success();

    let said = project.demo(["up", "-v", "--variant", "namespaced"]).success();
    assert!(environment(&project).contains(&format!("LIBSQL_ADMIN_AUTH_KEY={key}")));
    project.demo(["namespace", "create", "shop"]).success();
    let status = project.demo(["status", "-o", "json"]).success();
    let dry = project.demo(["up", "--dry-run", "-o", "json"]).success();
    assert!(dry.stdout.contains("\"LIBSQL_ADMIN_AUTH_KEY\": \"***\""), "{dry:?}");
    for said in [said, status, dry] {
        assert!(!said.stdout.contains(key) && !said.stderr.contains(key), "{said:?}");
    }
    let log = fs::read_to_string(project.local("logs/primary.log")).unwrap();
    assert!(!log.contains(key));
    let wrong = project.demo(["namespace", "create", "blog"]);
    wrong.env("LIBSQL_ADMIN_AUTH_KEY", "local-admin-key").fails(4);

    // A new key is another server: `up` restarts it, `restart` keeps to what is kept.
    project.demo(["setup", "--force"]).success();
    assert!(!project.read(".local/admin/admin.key").contains(key));
    project.demo(["up"]).says("restarted with its changes").success();
    project.demo(["namespace", "create", "blog"]).success();
    project.demo(["restart"]).success();
    project.demo(["namespace", "create", "news"]).success();
    project.demo(["cleanup"]).success();
    assert!(!path.exists());
}

#[test]
fn read_two_first_starts_agree_on_one_admin_key() {
    let project = Project::new();
    let starts: Vec<_> = (0..2)
        .map(|_| demo_test_support::Background::start(project.command(["up", "--only", "primary"])))
        .collect();
    for mut start in starts {
        assert!(start.end().success(), "{}", start.said());
    }
    let key = project.read(".local/admin/admin.key");
    assert!(environment(&project).contains(&format!("LIBSQL_ADMIN_AUTH_KEY={}", key.trim())));
}

#[test]
fn read_the_environment_and_env_file_override_the_kept_admin_key() {
    let project = Project::new();
    project.write(".env", "LIBSQL_ADMIN_AUTH_KEY=of-the-file\n");
    project.demo(["up", "--variant", "namespaced", "--only", "primary"]).success();
    assert!(environment(&project).contains("LIBSQL_ADMIN_AUTH_KEY=of-the-file"));
    assert!(!project.local("admin/admin.key").exists());
    project.demo(["namespace", "create", "shop"]).success();
    let other = project.demo(["namespace", "create", "blog"]);
    other.env("LIBSQL_ADMIN_AUTH_KEY", "of-the-environment").fails(4);
}

#[test]
fn read_an_empty_folder_has_a_dry_plan_and_makes_nothing() {
    let project = Project::without_server();
    let dry = project.demo(["up", "--dry-run", "-o", "json"]).success();
    assert!(dry.stdout.contains("\"LIBSQL_ADMIN_AUTH_KEY\": \"***\""), "{dry:?}");
    assert!(!project.local("").exists());
}

#[test]
fn read_a_token_comes_from_a_file_or_stdin_and_not_from_the_process_list() {
    let project = Project::up(&[]);
    project.demo(["init"]).success();
    let token = project.demo(["token", "mint"]).success().text().to_owned();
    project.write("token", &token);
    for option in ["--token-file", "--token-path"] {
        let env = project.demo(["count", option, "token"]).env("DEMO_TOKEN", "wrong");
        env.prints("0\n").success();
        project.demo(["count", option, "-"]).stdin(token.clone()).prints("0\n").success();
    }
    project.demo(["count", "--token-file", "-"]).stdin("").says("no token on stdin").fails(2);
    let twice = project.demo(["sql", "-", "--token-file", "-"]).stdin(token.clone());
    twice.says("both the token and the SQL").fails(2);
    let twice = project.demo(["insert", "--label", "-", "--token-file", "-"]).stdin(token.clone());
    twice.says("both the token and the label").fails(2);
    project.demo(["sync", "--token-file", "-"]).stdin(token).success();
    let help = project.demo(["count", "--help"]).success();
    assert!(help.stdout.contains("Every user of this machine can see it"), "{help:?}");
}
