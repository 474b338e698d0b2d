//! `demo probe --report`: every form, from one run.

use serde_json::Value;

use crate::smoke_green::{nothing_is_left, well_formed};
use demo_test_support::Project;

const IDS: [&str; 3] = ["sqlite-version", "no-token-401", "empty-claims-full-access"];

#[test]
fn every_form_of_the_report_has_every_probe() {
    let project = Project::new();
    let reports = ["text=r.txt", "json=r.json", "junit=r.xml", "markdown=r.md", "html=r.html"];
    let said = project
        .demo(["probe"])
        .args(IDS.map(|id| format!("--id={id}")))
        .args(reports.map(|to| format!("--report={to}")))
        .success();
    assert!(said.stdout.contains("changed since the expectations: 0"), "{said:?}");
    nothing_is_left(&project);

    let json: Value = serde_json::from_str(&project.read("r.json")).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["changes"], Value::Array(Vec::new()));
    let outcomes = json["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), IDS.len());
    for outcome in outcomes {
        let seen = &outcome["observation"];
        assert!(seen["verdict"].is_string() && seen["finding"].is_string(), "{outcome}");
        assert!(!seen["evidence"].as_array().unwrap().is_empty(), "{outcome}");
    }

    let xml = project.read("r.xml");
    assert!(xml.starts_with("<?xml version=\"1.0\""), "{xml}");
    assert_eq!(xml.matches("<testcase ").count(), IDS.len());
    assert!(!xml.contains("<failure"), "{xml}");
    well_formed(&project.join("r.xml"));

    let (text, markdown, html) =
        (project.read("r.txt"), project.read("r.md"), project.read("r.html"));
    for id in IDS {
        let finding = outcomes.iter().find(|outcome| outcome["id"] == id).unwrap();
        let finding = finding["observation"]["finding"].as_str().unwrap();
        assert!(text.contains(id) && text.contains(finding), "{id}: {text}");
        assert!(markdown.contains(&format!("| `{id}` |")), "{id}: {markdown}");
        assert!(html.contains(&format!("<article id=\"{id}\"")), "{id}: {html}");
        assert!(html.contains(finding), "{id}: {html}");
    }
    assert!(!text.contains('\u{1b}'), "no colour in a file");
    // The ids of probes are all that a page links to.
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}: {html}");
    }
    // A token that a probe sent would be some hundred letters of it.
    for form in [text, markdown, html, project.read("r.json")] {
        assert!(!form.contains("eyJ0eX"), "{form}");
    }
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_a_server_starts() {
    let project = Project::without_server();
    let report = "--report=html=nowhere/at/all/r.html";
    project.demo(["probe", "--id", "sqlite-version", report]).fails(2);
    project.demo(["probe", "--report", "word=r.doc"]).says("html").fails(2);
}
