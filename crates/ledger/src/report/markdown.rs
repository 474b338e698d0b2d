//! The published table, worst first.

use demo_base::choice::Choice;
use std::fmt::Write;

use crate::{Area, Entry, Verdict};
use demo_report::cell;

const SECTIONS: [(Verdict, &str); 4] = [
    (Verdict::Weakness, "Weaknesses: what can lose data or let people in"),
    (Verdict::Differs, "Differs from the documents"),
    (Verdict::Undocumented, "Undocumented"),
    (Verdict::AsDocumented, "As documented"),
];

/// The page for these probes: entry, verdict and finding of each.
pub fn page(server: &str, day: &str, probes: &[(&Entry, Verdict, &str)]) -> String {
    let mut page = format!(
        "# How sqld {server} behaves\n\nMade by `demo probe --report markdown=docs/behaviour.md` \
         on {day}: every line is a probe that ran against the real server. `demo probe explain ID` \
         says why it matters and how it is checked.\n"
    );
    for (verdict, title) in SECTIONS {
        let found: Vec<_> = probes.iter().filter(|(_, seen, _)| *seen == verdict).collect();
        let _infallible = write!(page, "\n## {title} ({})\n", found.len());
        for &area in Area::ALL {
            let rows: Vec<_> = found.iter().filter(|(entry, _, _)| entry.area == area).collect();
            if rows.is_empty() {
                continue;
            }
            let _infallible = write!(
                page,
                "\n### {}\n\n| id | claim | source | what the server does | what to do |\n\
                 | --- | --- | --- | --- | --- |\n",
                area.word()
            );
            for (entry, _, finding) in rows {
                page.push_str(&row(entry, finding));
            }
        }
    }
    page
}

/// One line of the table.
fn row(entry: &Entry, finding: &str) -> String {
    let cells = [entry.claim, entry.source, finding, entry.mitigation].map(cell);
    format!("| `{}` | {} |\n", entry.id, cells.join(" | "))
}
