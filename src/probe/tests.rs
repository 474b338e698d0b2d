//! The ledger as a table.

use std::collections::HashSet;

use super::Entry;
use super::expectations::Expectations;
use super::ledger::probes;

#[test]
fn every_probe_has_all_its_fields_and_an_id_of_its_own() {
    let mut ids = HashSet::new();
    for probe in probes() {
        let entry = Entry::from(probe);
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(entry.id.bytes().all(plain), "{}", entry.id);
        assert!(ids.insert(entry.id), "{} is there twice", entry.id);
        for text in [entry.claim, entry.source, entry.why, entry.mitigation, entry.how] {
            assert!(text.len() > 3, "{}: an empty field", entry.id);
            assert!(!text.ends_with('.'), "{}: `{text}`", entry.id);
        }
    }
}

#[test]
fn every_probe_has_an_expectation_and_no_expectation_is_of_a_probe_that_is_gone() {
    let expected = Expectations::load(std::path::Path::new("/nowhere")).unwrap();
    let ids: HashSet<&str> = probes().map(|probe| probe.id).collect();
    let known: HashSet<&str> = expected.probes.keys().map(String::as_str).collect();
    assert_eq!(ids, known);
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
    let page = super::report::markdown::page(&expected.server, &format!("20{day}"), &rows);
    assert!(page == published, "run `demo probe --report markdown=docs/behaviour.md`");
}
