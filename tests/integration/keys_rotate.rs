//! Key rotation against servers that read their keys at boot.

use serde_json::json;

use demo_test_support::{Project, tool_stdout};

const PUBLIC: &str = ".local/jwt/jwt.pub";

fn mint(project: &Project, ttl: &str) -> String {
    project.demo(["token", "mint", "--ttl", ttl]).success().text().to_owned()
}

fn keys(project: &Project) -> Vec<(String, String)> {
    let list = project.demo(["keys", "show", "-o", "json"]).success().json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|key| (text(&key["kid"]), text(&key["state"]))).collect()
}

fn works(project: &Project, token: &str) {
    for target in ["primary", "replica"] {
        // A replica may take the token before it has its data again.
        let count = ["count", "--wait", "--target", target, "--token", token];
        project.demo(count).prints("1\n").success();
    }
}

fn is_refused(project: &Project, token: &str) {
    for target in ["primary", "replica"] {
        let count = ["count", "--target", target, "--token", token];
        project.demo(count).says("refused the token (401)").fails(4);
    }
}

#[test]
fn old_tokens_live_on_until_the_old_key_is_dropped() {
    let project = Project::up(&[]);
    project.demo(["run", "--label", "x"]).success();
    project.demo(["count", "--target", "replica", "--wait"]).prints("1\n").success();
    let (old, first) = (mint(&project, "1h"), keys(&project)[0].0.clone());

    let said = project.demo(["keys", "rotate"]).success();
    assert!(said.stderr.contains("`demo restart` now"), "{said:?}");
    let listed = keys(&project);
    assert_eq!(listed[0], (first.clone(), "old".to_owned()));
    assert_eq!(listed[1].1, "active");
    let new = mint(&project, "1h");
    // The servers have not read the new key yet: that is what the note says.
    works(&project, &old);
    is_refused(&project, &new);
    project.demo(["setup"]).says("nothing changed").success();
    project.demo(["restart"]).success();
    works(&project, &old);
    works(&project, &new);
    project.demo(["count"]).prints("1\n").success();

    // Its tokens may be alive for a day: it stays unless it is named.
    project.demo(["keys", "prune"]).says("nothing changed").success();
    assert_eq!(keys(&project).len(), 2);
    let dropped = project.demo(["keys", "prune", "-o", "json", "--key", &first]).success().json();
    assert_eq!(dropped, json!({ "dropped": [first], "next": ["demo restart"] }));
    works(&project, &old);
    project.demo(["up"]).says("restarted with its changes").success();
    is_refused(&project, &old);
    works(&project, &new);
    project.demo(["keys", "prune", "--key", &first]).fails(5).hint("keys show");
    let active = keys(&project)[0].0.clone();
    project.demo(["keys", "prune", "--key", &active]).fails(2).hint("keys rotate");
}

#[test]
fn with_restart_there_is_no_moment_in_which_a_token_is_refused() {
    let project = Project::up(&[]);
    project.demo(["run", "--label", "x"]).success();
    project.demo(["count", "--target", "replica", "--wait"]).prints("1\n").success();
    let old = mint(&project, "1h");
    // In two steps: the second needs no restart.
    let staged = project.demo(["keys", "rotate", "--stage", "-o", "json"]).success().json();
    assert_eq!(staged["next"], json!(["demo restart", "demo keys rotate"]));
    assert_eq!(keys(&project)[1].1, "staged");
    works(&project, &mint(&project, "1h"));
    project.demo(["restart"]).success();
    project.demo(["keys", "rotate"]).success();
    assert_eq!(json!(keys(&project)[1].0), staged["kid"]);
    works(&project, &mint(&project, "1h"));
    // In one.
    project.demo(["keys", "rotate", "--restart", "--keep-old"]).success();
    assert_eq!(keys(&project).len(), 3);
    works(&project, &mint(&project, "1h"));
    works(&project, &old);
    let kept = std::fs::read_dir(project.local("jwt/old")).unwrap().count();
    assert_eq!(kept, 1);
    project.demo(["keys", "rotate", "--stage", "--restart"]).exits(2);
}

#[test]
fn openssl_reads_every_key_and_the_header_names_the_active_one() {
    use base64::Engine;
    let project = Project::without_server();
    project.demo(["keys", "rotate"]).fails(5).hint("demo setup");
    project.demo(["setup"]).success();
    project.demo(["token", "mint", "--ttl", "7d"]).success();
    project.demo(["keys", "rotate"]).success();
    let openssl =
        |line: &str| tool_stdout("openssl", &line.split(' ').collect::<Vec<_>>(), project.path());
    let published = project.read(PUBLIC);
    let blocks: Vec<&str> = published.split_inclusive("-----END PUBLIC KEY-----\n").collect();
    assert_eq!(blocks.len(), 2);
    for block in &blocks {
        project.write("one.pub", block);
        assert_eq!(openssl("pkey -pubin -in one.pub"), *block);
    }
    assert_eq!(openssl("pkey -in .local/jwt/jwt.key -pubout"), blocks[1]);
    let token = mint(&project, "1h");
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header["kid"], json!(keys(&project)[1].0));

    // The clock cannot be turned: the record can. A week and a minute ago it ends.
    let record: serde_json::Value =
        serde_json::from_str(&project.read(".local/jwt/keys.json")).unwrap();
    let first = keys(&project)[0].0.clone();
    let end = record[&first]["tokensUntil"].as_str().unwrap().to_owned();
    let retired = record[&first]["retiredAt"].as_str().unwrap().to_owned();
    assert!(end[..10] > retired[..10], "the token of seven days counts: {record}");
    project.edit(".local/jwt/keys.json", &end, "2026-01-01T00:00:00Z");
    let said = project.demo(["keys", "prune"]).success();
    assert!(said.stdout.contains(&first), "{said:?}");
    assert_eq!(project.read(PUBLIC), blocks[1]);
    project.write(".local/jwt/keys.json", "{");
    project.demo(["keys", "rotate"]).says("is damaged").fails(2).hint("remove it");
    std::fs::remove_file(project.local("jwt/keys.json")).unwrap();
    project.demo(["setup"]).says("nothing changed").success();
}
