//! The ledger as a table.

use std::collections::HashSet;

use super::Entry;
use super::entries::probes;
use super::expectations::Expectations;

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
