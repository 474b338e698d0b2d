//! The ledger as its users read it.

use std::collections::HashSet;

use demo_ledger::expectations::Expectations;
use demo_ledger::{Entry, probes};

use demo_test_support::Project;

#[test]
fn the_list_has_every_field_of_every_probe() {
    let project = Project::without_server();
    let list = project.demo(["probe", "list", "-o", "json"]).success().json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), probes().count());
    assert!(list.len() >= 110, "{}", list.len());
    let mut ids = HashSet::new();
    for probe in list {
        for field in ["id", "area", "claim", "source", "why", "mitigation", "how"] {
            assert!(probe[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {probe}");
        }
        let docker = &probe["not_on_docker"];
        assert!(
            docker.is_null() || docker.as_str().is_some_and(|text| !text.is_empty()),
            "{probe}"
        );
        assert!(ids.insert(probe["id"].as_str().unwrap()), "{probe} is there twice");
    }
    let lines = project.demo(["probe", "list"]).success();
    assert_eq!(lines.text().lines().count(), list.len());
}

#[test]
fn the_readme_names_probes_that_there_are_and_counts_them() {
    let readme = include_str!("../../README.md");
    let count = probes().count();
    assert!(readme.contains(&format!("runs all {count} probes in under")), "{count}");
    assert!(readme.contains(&format!("the other {} are in", count - 10)), "{count}");
    let (_, rest) = readme.split_once("## Ten things").unwrap();
    let (ten, _) = rest.split_once("\n## ").unwrap();
    let items: Vec<&str> = ten.lines().filter(|line| line.contains(". ")).collect();
    let items: Vec<_> =
        items.iter().filter(|l| l.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert_eq!(items.len(), 10);
    for item in items {
        let quoted: Vec<&str> = item.split('`').skip(1).step_by(2).collect();
        let known = quoted.iter().any(|word| probes().any(|probe| probe.id == *word));
        assert!(known, "no id of a probe in: {item}");
    }
}

#[test]
fn explain_says_everything_about_one_probe() {
    let project = Project::without_server();
    let said = project.demo(["probe", "explain", "grpc-reads-without-token"]).success();
    for word in ["claim ", "source ", "area ", "why ", "do ", "how ", "docker "] {
        assert!(said.stdout.lines().any(|line| line.starts_with(word)), "{word}: {said:?}");
    }
    let probe = probes().find(|probe| probe.id == "grpc-reads-without-token").unwrap();
    for text in [probe.claim, probe.source, probe.why, probe.mitigation, probe.how] {
        assert!(said.stdout.contains(text), "{text}: {said:?}");
    }
}

#[test]
fn an_unknown_probe_or_area_is_one_error_and_a_hint() {
    let project = Project::without_server();
    for args in [&["probe", "explain", "nonsense"][..], &["probe", "--id", "nonsense"]] {
        project.demo(args.iter().copied()).says("`nonsense`").fails(2).hint("demo probe list");
    }
    project.demo(["probe", "--area", "nonsense"]).says("security").fails(2);
    let both = ["probe", "--area", "client", "--id", "grpc-reads-without-token"];
    project.demo(both).fails(2).hint("demo probe list");
}

#[test]
fn expectations_that_cannot_be_read_are_refused_before_a_server_starts() {
    let project = Project::without_server();
    for text in ["{", r#"{ "schema": 9, "server": "0.24.32", "probes": {} }"#] {
        project.write("probes/expectations.json", text);
        let said = project.demo(["probe", "--id", "sqlite-version"]).fails(2);
        said.hint("--update-expectations");
    }
}

/// The page is what the ledger and the expectations make of it; a change of either
/// needs a new run: `demo probe --report markdown=docs/behaviour.md`.
#[test]
fn the_published_table_is_not_stale() {
    let published = include_str!("../../docs/behaviour.md");
    let expected = Expectations::load(std::path::Path::new("/nowhere")).unwrap();
    let entries: Vec<Entry> = probes().map(Entry::from).collect();
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| (entry, &expected.probes[entry.id]))
        .map(|(entry, seen)| (entry, seen.verdict, seen.finding.as_str()))
        .collect();
    let day = published.split(" on 20").nth(1).and_then(|rest| rest.get(..8)).unwrap();
    let page = demo_ledger::report::markdown::page(&expected.server, &format!("20{day}"), &rows);
    assert!(page == published, "run `demo probe --report markdown=docs/behaviour.md`");
}
