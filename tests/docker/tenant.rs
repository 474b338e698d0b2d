//! The end of a tenant whose files belong to the containers' user.

use std::path::PathBuf;

use serde_json::json;

use crate::site::Site;

fn folder(site: &Site, service: &str, name: &str) -> PathBuf {
    site.local(&format!("data/{service}/{service}.sqld/dbs/{name}"))
}

#[test]
fn tenant_drop_leaves_nothing_on_either_server() {
    let site = Site::new();
    site.demo(["up", "--variant", "namespaced"]).success();
    for name in ["gone", "stays"] {
        site.demo(["tenant", "create", name]).success();
        site.demo(["run", "--namespace", name, "--label", "old"]).success();
        let count = ["count", "--namespace", name, "--target", "replica", "--wait"];
        site.demo(count).prints("1\n").success();
        assert!(folder(&site, "replica", name).join("data").exists());
    }
    let primary = format!("{}-primary-1", site.name);
    let before = site.docker(&["inspect", "-f", "{{.Id}}", &primary]);
    let said = site.demo(["tenant", "drop", "gone", "--yes", "-o", "json"]).success().json();
    let removed = json!({ "deleted": true, "restarted": ["replica"], "checked": ["replica"] });
    assert_eq!(said["removed"], removed);
    assert_eq!(site.docker(&["inspect", "-f", "{{.Id}}", &primary]), before);
    for service in ["primary", "replica"] {
        assert!(!folder(&site, service, "gone").exists(), "{service}");
        site.demo(["count", "--namespace", "gone", "--target", service]).fails(5);
        let count = ["count", "--wait", "--namespace", "stays", "--target", service];
        site.demo(count).prints("1\n").success();
    }
    site.demo(["tenant", "create", "gone"]).success();
    let count = "SELECT count(*) AS n FROM sqlite_schema";
    for service in ["primary", "replica"] {
        let args = ["sql", count, "--namespace", "gone", "--target", service, "-o", "json"];
        assert_eq!(site.demo(args).success().json(), json!([{ "n": 0 }]));
    }
    site.demo(["tenant", "list"]).success();
    site.demo(["down", "--volumes"]).success();
}
