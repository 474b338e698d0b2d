//! Rows, SQL and labels on a standing stack.

use serde_json::json;

use demo_test_support::Project;

#[test]
fn rows_go_in_at_either_server_and_come_out_at_both() {
    let project = Project::up(&[]);
    let said = project.demo(["count"]).says("no such table").fails(1);
    said.hint("demo init");
    project.demo(["init", "--target", "primary"]).prints("").success();
    project.demo(["init"]).prints("").success();
    project.demo(["insert", "--label", "hello"]).prints("1\n").success();
    project.demo(["count", "--target", "replica", "--wait"]).prints("1\n").success();
    project.demo(["insert", "--target", "replica", "--label", "back"]).prints("2\n").success();
    project.demo(["count"]).prints("2\n").success();

    let rows = project.demo(["read"]).success().json();
    assert_eq!(rows[0]["id"], 1);
    assert_eq!(rows[0]["label"], "hello");
    assert_eq!(rows[1]["label"], "back");
    rows[0]["created_at"].as_str().unwrap();
    let replicated = project.demo(["read", "--target", "replica", "--wait"]).success().json();
    assert_eq!(replicated, rows);

    let all = project.demo(["run", "--label", "third"]).success().json();
    assert_eq!(all.as_array().unwrap().len(), 3);
    let json = project.demo(["count", "-o", "json"]).success().json();
    assert_eq!(json, json!({ "count": 3 }));
    let url = format!("http://127.0.0.1:{}", project.ports()[0]);
    project.demo(["count", "--url", &url]).prints("3\n").success();
    project.demo(["count", "--namespace", "shop"]).fails(2).hint("--variant namespaced");

    labels(&project);
    types(&project);
    statements(&project);
}

fn labels(project: &Project) {
    let strange = ["it's \"quoted\"", "\u{1F980} und ü", "", "a\nb\tc", "--label", "'); drop"];
    for label in strange {
        let id = project.demo(["insert", "--label", label]).success().text().to_owned();
        let query = format!("select label from items where id = {id}");
        let rows = project.demo(["sql", "-o", "json", &query]).success().json();
        assert_eq!(rows[0]["label"], label);
    }
    let mega = "m\u{e9}".repeat(350_000);
    project.demo(["insert", "--label", "-"]).stdin(mega.clone()).success();
    let rows = project.demo(["read"]).success().json();
    assert_eq!(rows.as_array().unwrap().last().unwrap()["label"], mega.as_str());
    project.demo(["insert", "--label", "-"]).stdin([0xff, 0xfe]).says("UTF-8").fails(2);
}

fn types(project: &Project) {
    let query = "select null n, 9007199254740993 i, -9223372036854775808 least, 0.5 r, 1.0 whole, \
                 'it''s \u{1F980} \"x\"' t, x'00ff' b, count(*) > 0 f from items";
    let rows = project.demo(["sql", "-o", "json", query]).success();
    // To the digit: a float in between would make 9007199254740992 of it.
    assert!(rows.stdout.contains("9007199254740993"), "{rows:?}");
    let row = json!([{
        "n": null,
        "i": 9_007_199_254_740_993_i64,
        "least": i64::MIN,
        "r": 0.5,
        "whole": 1.0,
        "t": "it's \u{1F980} \"x\"",
        "b": { "base64": "AP8=" },
        "f": 1,
    }]);
    assert_eq!(rows.json(), row);
    let text = "select null n, 1 i, 1.5 r, 'a' || char(9) || 'b' t, x'00ff' b";
    let expected = "n\ti\tr\tt\tb\nNULL\t1\t1.5\ta\\tb\tx'00ff'\n";
    for target in ["primary", "replica"] {
        project.demo(["sql", text, "--target", target]).prints(expected).success();
    }
}

fn statements(project: &Project) {
    let script = "create table s (x); -- one; and more\ninsert into s values ('a;b'), (2);\n\
                  select count(*) c from s;";
    // Several at once are a script, which has no rows of its own.
    let rows = project.demo(["sql", "-o", "json", "-"]).stdin(script).success().json();
    assert_eq!(rows, json!([]));
    project.demo(["sql", "select count(*) c from s"]).prints("c\n2\n").success();
    project.demo(["sql", "insert into s values (1); insert into absent values (1)"]).fails(1);
    project.demo(["sql", "delete from s where x = 1"]).success();
    // The last of them fails: said, and no success.
    let said = project.demo(["sql", "select 1; select * from absent"]).fails(1);
    assert!(said.stderr.contains("no such table: absent"), "{said:?}");
    project.demo(["sql", "selec 1"]).says("syntax error").fails(1);
    project.demo(["sql", "  "]).says("no SQL").fails(2);
    project.demo(["sql", "insert into s values (3)"]).prints("").success();
    project.demo(["sql", "-o", "json", "select x from s where 0"]).prints("[]\n").success();
}
