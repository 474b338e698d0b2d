//! The walls between the crates, as the page on architecture draws them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

type Graph = BTreeMap<String, BTreeSet<String>>;

/// What Cargo says: each crate of the workspace with those that it may use.
fn real() -> Graph {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let short = |name: &Value| {
        let name = name.as_str().unwrap();
        name.strip_prefix("demo-").unwrap_or(name).to_owned()
    };
    let packages = metadata["packages"].as_array().unwrap();
    let used = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().clone();
        let own = all.into_iter().filter(|one| one["path"].is_string() && one["kind"].is_null());
        own.map(|one| short(&one["name"])).collect()
    };
    packages.iter().map(|package| (short(&package["name"]), used(package))).collect()
}

/// The block of lines `NAME -> NAME, NAME` on the page.
fn drawn() -> Graph {
    let page = include_str!("../../docs/architecture.md");
    let block = page.split("## The crates").nth(1).unwrap().split("```").nth(1).unwrap();
    let lines = block.lines().skip(1).map(|line| {
        let (name, uses) = line.split_once("->").unwrap_or((line, ""));
        let uses = uses.split(',').map(|used| used.trim().to_owned());
        (name.trim().to_owned(), uses.filter(|used| !used.is_empty()).collect())
    });
    lines.collect()
}

#[test]
fn the_page_draws_the_crates_as_cargo_knows_them() {
    assert_eq!(drawn(), real());
}

/// Whether `name` is in the tree of `package`, with everything that it brings.
fn brings(package: &str, name: &str) -> bool {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--package", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8(tree.stdout).unwrap().lines().any(|line| line.split(' ').next() == Some(name))
}

#[test]
fn only_the_command_line_knows_clap_and_only_the_stack_knows_docker() {
    for (package, uses) in real() {
        let name = if package == "demo" { package.clone() } else { format!("demo-{package}") };
        let is_program = package == "demo";
        assert_eq!(brings(&name, "clap"), is_program, "{name} and clap");
        let has_engine = is_program || package == "stack" || uses.contains("stack");
        assert_eq!(brings(&name, "bollard"), has_engine, "{name} and bollard");
    }
}
