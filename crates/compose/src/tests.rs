//! Compares with the output of Docker Compose itself, and loads the files of the project.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;

mod refusals;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

fn sources(directory: &Path, files: &[&str]) -> Sources {
    let read = |name: &&str| SourceFile {
        path: directory.join(name),
        text: fs::read_to_string(directory.join(name)).unwrap(),
    };
    Sources {
        files: files.iter().map(read).collect(),
        project_dir: directory.to_owned(),
        environment: BTreeMap::new(),
        project_name: None,
    }
}

fn inline(texts: &[&str]) -> Result<Project> {
    let files = texts.iter().enumerate().map(|(index, text)| SourceFile {
        path: PathBuf::from(format!("/dir/{index}.yml")),
        text: (*text).to_owned(),
    });
    load(&Sources {
        files: files.collect(),
        project_dir: "/dir".into(),
        environment: BTreeMap::new(),
        project_name: None,
    })
}

/// Loads one service `s`, given its keys in YAML's flow style.
fn service(keys: &str) -> Result<Project> {
    inline(&[&format!("services: {{s: {{image: i, {keys}}}}}")])
}

fn assert_expected(expectation: &str, sources: &mut Sources) {
    let text = fs::read_to_string(Path::new(FIXTURES).join(expectation)).unwrap();
    // The path of the folder may contain a `$`.
    sources.project_dir = "/dir".into();
    let expected: Value = serde_json::from_str(&text.replace("$DIR", "/dir")).unwrap();
    let printed = load(sources).unwrap().to_config_json();
    assert_eq!(printed, expected, "{expectation}");
    // Comparing maps ignores the order of their keys.
    assert_eq!(printed.to_string(), expected.to_string(), "{expectation}");
}

#[test]
fn the_fixtures_come_out_as_compose_prints_them() {
    for (expectation, directory, files) in [
        ("expect-stack-base.json", "stack", &["base.yml"][..]),
        ("expect-stack-namespaced.json", "stack", &["base.yml", "namespaced.yml"]),
        ("expect-stack-tls.json", "stack", &["base.yml", "tls.yml"]),
        ("expect-stack-namespaced-tls.json", "stack", &["base.yml", "namespaced.yml", "tls.yml"]),
        ("expect-merge.json", "merge", &["base.yml", "override.yml"]),
    ] {
        assert_expected(expectation, &mut sources(&Path::new(FIXTURES).join(directory), files));
    }
}

#[test]
fn the_interpolation_fixture_comes_out_as_compose_prints_it() {
    let directory = Path::new(FIXTURES).join("interp");
    let text = fs::read_to_string(directory.join("env")).unwrap();
    let mut sources = sources(&directory, &["base.yml"]);
    sources.environment = demo_config::dotenv::parse(&text, "env", &BTreeMap::new()).unwrap();
    assert_eq!(sources.environment["QUOTED_DOUBLE"], "line\nbreak yes");
    assert_eq!(sources.environment["QUOTED_SINGLE"], "raw ${SET}");
    assert_expected("expect-interp.json", &mut sources);
}

#[test]
fn an_empty_override_changes_nothing() {
    let mut with = sources(&Path::new(FIXTURES).join("stack"), &["base.yml"]);
    let without = load(&with).unwrap();
    for text in ["{}", "services: {}", "services:\n  primary: {}\n", "x-none:\n"] {
        with.files.truncate(1);
        with.files.push(SourceFile { path: "empty.yml".into(), text: text.to_owned() });
        let mut project = load(&with).unwrap();
        project.extensions.retain(|key, _| key != "x-none");
        assert_eq!(project, without, "{text}");
    }
}

#[test]
fn the_name_is_taken_from_the_nearest_source() {
    let named = "name: file\nservices: {s: {image: 'i:${COMPOSE_PROJECT_NAME}'}}";
    let mut sources = Sources {
        files: vec![SourceFile { path: "/x/_My.Dir/a.yml".into(), text: named.to_owned() }],
        project_dir: "/x/_My.Dir".into(),
        environment: BTreeMap::new(),
        project_name: None,
    };
    let name_and_image = |sources: &Sources| {
        let project = load(sources).unwrap();
        (project.name, project.services["s"].image.clone().unwrap())
    };
    assert_eq!(name_and_image(&sources), ("file".to_owned(), "i:file".to_owned()));
    sources.environment.insert("COMPOSE_PROJECT_NAME".to_owned(), "outer".to_owned());
    assert_eq!(name_and_image(&sources), ("outer".to_owned(), "i:outer".to_owned()));
    sources.project_name = Some("asked".to_owned());
    assert_eq!(name_and_image(&sources), ("asked".to_owned(), "i:asked".to_owned()));
    sources.project_name = Some("Not A Name".to_owned());
    assert!(load(&sources).is_err());
    sources.project_name = None;
    sources.environment.clear();
    sources.files[0].text = "services: {s: {image: i}}".to_owned();
    assert_eq!(load(&sources).unwrap().name, "mydir");
}

#[test]
fn resources_get_names_and_unused_ones_are_left_out() {
    let project = inline(&["
version: '3'
services:
  s: {image: i, networks: {inner: {aliases: [t]}}, volumes: ['data:/a', 'shared:/b']}
networks: {inner: {internal: true}, spare: {}}
volumes: {data: , shared: {external: true}, spare: {name: n}}
"])
    .unwrap();
    assert_eq!(project.networks.keys().collect::<Vec<_>>(), ["inner"]);
    assert_eq!(project.networks["inner"].name.as_deref(), Some("dir_inner"));
    assert_eq!(project.volumes.keys().collect::<Vec<_>>(), ["data", "shared"]);
    assert_eq!(project.volumes["data"].name.as_deref(), Some("dir_data"));
    assert_eq!(project.volumes["shared"].name.as_deref(), Some("shared"));
}

#[test]
fn values_left_as_text_by_a_variable_are_typed() {
    let project = service(
        "healthcheck: {test: t, retries: '${R:-7}', disable: '${D:-false}'}, \
         ports: [{target: '${P:-80}', published: '${Q:-8}'}]",
    )
    .unwrap();
    let service = &project.services["s"];
    assert_eq!(service.healthcheck.as_ref().unwrap().retries, Some(7));
    assert_eq!(service.healthcheck.as_ref().unwrap().test, ["CMD-SHELL", "t"]);
    assert_eq!(service.ports[0].target, 80);
    assert_eq!(service.ports[0].published, Some(8));
}

#[test]
fn a_dependency_that_is_not_required_may_be_missing() {
    let project =
        service("depends_on: {gone: {condition: service_started, required: false}}").unwrap();
    assert_eq!(project.start_order().unwrap(), ["s"]);
}
