//! Namespaces on a standing stack.

use serde_json::json;

use demo_test_support::Project;

#[test]
fn another_variant_replaces_the_servers_and_says_so() {
    let project = Project::up(&[]);
    project.demo(["namespace", "create", "shop"]).fails(2).hint("--variant namespaced");
    let said = project.demo(["up", "--variant", "namespaced"]).success();
    assert!(said.stderr.contains("restarted with its changes"), "{said:?}");
    // Without a word about variants it stays.
    assert!(project.demo(["up"]).success().stderr.contains("is running already"));
    project.demo(["count"]).says("no default namespace").fails(2).hint("--namespace");

    project.demo(["namespace", "create", "shop"]).says("`shop` created").success();
    project.demo(["namespace", "create", "shop"]).fails(1).hint("--if-not-exists");
    project.demo(["namespace", "create", "shop", "--if-not-exists"]).success();
    project.demo(["init", "--namespace", "shop"]).success();
    project.demo(["insert", "--namespace", "shop", "--label", "a"]).prints("1\n").success();
    project
        .demo(["count", "--namespace", "shop", "--target", "replica", "--wait"])
        .prints("1\n")
        .success();
    for target in ["primary", "replica"] {
        let count = ["count", "--namespace", "absent", "--target", target];
        project.demo(count).says("no namespace `absent`").fails(5).hint("namespace create absent");
    }
    project.demo(["auth-check", "--namespace", "absent"]).fails(5);

    forks(&project);
    configuration(&project);
    scopes(&project);
    by_host_name(&project);
    deletion(&project);
}

fn forks(project: &Project) {
    project.demo(["namespace", "fork", "shop", "copy"]).success();
    project.demo(["count", "--namespace", "copy"]).prints("1\n").success();
    // Onto itself or another that is there: refused, and nothing is lost.
    for to in ["shop", "copy"] {
        project.demo(["namespace", "fork", "shop", to]).says("already").fails(2).hint("destroy");
        project.demo(["count", "--namespace", to]).prints("1\n").success();
    }
    project.demo(["namespace", "fork", "absent", "other"]).says("`absent`").fails(5);
    project.demo(["count", "--namespace", "other"]).fails(5);
}

fn configuration(project: &Project) {
    let config = |arguments: &[&str]| {
        let demo = project.demo(["namespace", "config", "shop", "-o", "json"]);
        demo.args(arguments).success().json()
    };
    let before = config(&[]);
    assert_eq!(before["block_writes"], false);
    let attach = config(&["--allow-attach", "true"]);
    assert_eq!(attach["allow_attach"], true);
    let blocked = config(&["--block-writes", "true", "--block-reason", "a move"]);
    assert_eq!(blocked["block_writes"], true);
    // What was not named keeps its value.
    assert_eq!(blocked["allow_attach"], true);
    assert_eq!(blocked["block_reads"], false);
    let said = project.demo(["insert", "--namespace", "shop", "--label", "x"]).exits(1);
    assert!(said.stderr.contains("a move"), "{said:?}");
    project.demo(["count", "--namespace", "shop"]).prints("1\n").success();
    config(&["--block-writes", "false"]);
    project.demo(["insert", "--namespace", "shop", "--label", "b"]).prints("2\n").success();

    let stats = project.demo(["namespace", "stats", "shop", "-o", "json"]).success().json();
    assert!(stats["replication_index"].as_u64().unwrap() > 0, "{stats}");
    for command in ["config", "stats", "delete"] {
        project.demo(["namespace", command, "absent"]).says("`absent`").fails(5);
    }
    let demo = project.demo(["namespace", "stats", "shop"]);
    demo.env("LIBSQL_ADMIN_AUTH_KEY", "wrong").fails(4).hint("LIBSQL_ADMIN_AUTH_KEY");
}

fn scopes(project: &Project) {
    let mint = |arguments: &[&str]| {
        project.demo(["token", "mint"]).args(arguments).success().text().to_owned()
    };
    let shop = mint(&["--namespace", "shop"]);
    let reader = mint(&["--read-namespace", "shop"]);
    for target in ["primary", "replica"] {
        let check = |namespace: &str, token: &str| {
            project.demo(["auth-check", "-o", "json", "--target", target]).args([
                "--namespace",
                namespace,
                "--token",
                token,
            ])
        };
        let both = check("shop", &shop).exits(0).json();
        assert_eq!((&both["reads"], &both["writes"]), (&json!(true), &json!(true)), "{target}");
        let read = check("shop", &reader).exits(0).json();
        assert_eq!((&read["reads"], &read["writes"]), (&json!(true), &json!(false)), "{target}");
        // The server says of another's namespace that it is not there.
        check("copy", &shop).fails(5);
        let insert = ["insert", "--label", "x", "--namespace", "shop", "--target", target];
        project.demo(insert).args(["--token", &reader]).fails(4);
    }
}

/// `NAME.localhost` needs no DNS entry, and is what the server itself goes by.
fn by_host_name(project: &Project) {
    let url = format!("http://shop.localhost:{}", project.ports()[0]);
    project.demo(["count", "--url", &url]).prints("2\n").success();
    let replica = format!("http://shop.localhost:{}", project.ports()[3]);
    project.demo(["read", "--url", &replica]).success();
    let absent = format!("http://absent.localhost:{}", project.ports()[0]);
    project.demo(["count", "--url", &absent]).fails(5);
}

fn deletion(project: &Project) {
    project.demo(["namespace", "delete", "copy"]).says("`copy` deleted").success();
    project.demo(["count", "--namespace", "copy"]).fails(5);
    project.demo(["count", "--namespace", "shop"]).prints("2\n").success();
    let made = project.demo(["namespace", "create", "copy", "-o", "json"]).success().json();
    assert_eq!(made, json!({ "created": true }));
}
