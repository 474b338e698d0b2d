//! What the server has and what `capabilities.txt` says of it, name by name.

use std::collections::BTreeSet;

use demo_gate::sql::capabilities::{Entry, TEXT, entries};

use super::{Front, bin};

/// Rows of one column, as the server says them.
fn names(front: &Front, sql: &str) -> BTreeSet<String> {
    let head = [("x-namespace-bin", bin("alpha"))];
    let head = head.each_ref().map(|(key, value)| (*key, value.as_str()));
    let answer = front.pipeline(&front.server, &head, &front.rw("alpha"), &[sql]).json();
    let rows = answer["results"][0]["response"]["result"]["rows"].as_array().cloned();
    let rows = rows.unwrap_or_else(|| panic!("{answer}"));
    rows.iter().map(|row| row[0]["value"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_gate_has_a_class_for_everything_that_the_server_has() {
    let front = Front::new();
    let classified = |of: fn(Entry<'static>) -> Option<&'static str>| {
        entries().filter_map(of).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let functions = classified(|entry| match entry {
        Entry::Function(name, _) => Some(name),
        _ => None,
    });
    let modules = classified(|entry| match entry {
        Entry::Module(name, _) => Some(name),
        _ => None,
    });
    let pragmas = classified(|entry| match entry {
        Entry::Pragma(name, _) => Some(name),
        _ => None,
    });
    let own = names(&front, "SELECT DISTINCT name FROM pragma_function_list");
    assert_eq!(own, functions, "functions: the server's, and those of capabilities.txt");
    let own = names(&front, "SELECT name FROM pragma_pragma_list");
    assert_eq!(own, pragmas, "pragmas");
    let own = names(&front, "SELECT name FROM pragma_module_list");
    // Pragmas become modules when they are first used.
    let (of_pragmas, own): (BTreeSet<_>, _) =
        own.into_iter().partition(|name| name.starts_with("pragma_"));
    assert_eq!(own, modules, "modules");
    for name in of_pragmas {
        assert!(pragmas.contains(&name["pragma_".len()..]), "{name}");
    }
    // Each line is understood, says a reason, and is there once.
    let mut seen = BTreeSet::new();
    let lines = TEXT.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut count = 0;
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let before_reason = match words[0] {
            "function" | "module" => 3,
            "arguments" => 2,
            "pragma" => 5,
            other => panic!("{other}: {line}"),
        };
        assert!(words.len() > before_reason, "no reason: {line}");
        assert!(seen.insert((words[0], words[1])), "twice: {line}");
        count += 1;
    }
    assert_eq!(entries().count(), count, "a line was passed over");
}
