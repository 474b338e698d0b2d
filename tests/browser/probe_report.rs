//! The page as one reads it: filtered, unfolded, on a phone.

use std::path::PathBuf;

use fantoccini::{Client, Locator};

use crate::chrome::on_page;
use demo_test_support::Project;

/// Id, area and verdict: several of each.
const ROWS: [(&str, &str, &str); 8] = [
    ("empty-claims-full-access", "security", "weakness"),
    ("cors-open-to-every-origin", "security", "weakness"),
    ("no-token-401", "security", "as-documented"),
    ("durability-default", "lifecycle", "weakness"),
    ("own-write-in-one-pipeline", "replication", "differs"),
    ("sql-errors-inside-200", "http-and-sql", "differs"),
    ("x-namespace-header-ignored", "http-and-sql", "weakness"),
    ("jobs-endpoint-refused", "operations", "undocumented"),
];

fn report(project: &Project) -> PathBuf {
    let ids = ROWS.map(|(id, _, _)| format!("--id={id}"));
    project.demo(["probe", "--report=html=report.html"]).args(ids).success();
    project.join("report.html")
}

/// The ids of the rows that can be seen, in the order of [`ROWS`].
async fn visible(client: &Client) -> Vec<&'static str> {
    let mut visible = Vec::new();
    for (id, _, _) in ROWS {
        let row = client.find(Locator::Id(id)).await.unwrap();
        if row.is_displayed().await.unwrap() {
            visible.push(id);
        }
    }
    visible
}

fn ids(wanted: impl Fn(&str, &str) -> bool) -> Vec<&'static str> {
    let rows = ROWS.iter().filter(|(_, area, verdict)| wanted(area, verdict));
    rows.map(|(id, _, _)| *id).collect()
}

async fn click(client: &Client, value: &str) {
    let label = format!("label:has(input[value='{value}'])");
    client.find(Locator::Css(&label)).await.unwrap().click().await.unwrap();
}

async fn says(client: &Client, css: &str) -> String {
    client.find(Locator::Css(css)).await.unwrap().text().await.unwrap()
}

#[test]
fn a_filter_leaves_the_rows_that_were_chosen() {
    let project = Project::new();
    on_page(&report(&project), 1280, async |client| {
        assert_eq!(visible(client).await, ids(|_, _| true));
        assert_eq!(says(client, "#shown").await, "8 of 8 shown");

        click(client, "security").await;
        assert_eq!(visible(client).await, ids(|area, _| area == "security"));
        click(client, "weakness").await;
        let both = ids(|area, verdict| area == "security" && verdict == "weakness");
        assert_eq!(both.len(), 2);
        assert_eq!(visible(client).await, both);
        assert_eq!(says(client, "#shown").await, "2 of 8 shown");
        let row = says(client, "#empty-claims-full-access").await;
        assert!(row.contains("a token without claims reads and writes every namespace"), "{row}");
        assert!(row.contains("what to do") && row.contains("weakness"), "{row}");

        // Two of one group widen the choice.
        click(client, "http-and-sql").await;
        let wider = ids(|area, verdict| {
            ["security", "http-and-sql"].contains(&area) && verdict == "weakness"
        });
        assert_eq!(visible(client).await, wider);
        for value in ["security", "http-and-sql", "weakness"] {
            click(client, value).await;
        }
        assert_eq!(visible(client).await, ids(|_, _| true));

        click(client, "client").await;
        assert_eq!(visible(client).await, [""; 0]);
        assert!(says(client, "#shown").await.contains("No probe"));
    });
}

#[test]
fn evidence_is_folded_until_it_is_asked_for() {
    let project = Project::new();
    on_page(&report(&project), 1280, async |client| {
        let evidence = "#no-token-401 pre";
        let line = client.find(Locator::Css(evidence)).await.unwrap();
        assert!(!line.is_displayed().await.unwrap());
        let fold = client.find(Locator::Css("#no-token-401 summary")).await.unwrap();
        fold.click().await.unwrap();
        assert!(line.is_displayed().await.unwrap());
        let line = line.text().await.unwrap();
        assert!(line.contains("SELECT on the primary -> 401"), "{line}");
    });
}

#[test]
fn the_page_asks_nobody_for_anything() {
    let project = Project::new();
    on_page(&report(&project), 1280, async |client| {
        let script = "return performance.getEntriesByType('resource').map(entry => entry.name)";
        let asked = client.execute(script, Vec::new()).await.unwrap();
        assert_eq!(asked, serde_json::json!([]));
        let script = "return document.querySelectorAll('[src], [href], link, iframe').length";
        let links = client.execute(script, Vec::new()).await.unwrap();
        assert_eq!(links, 0);
    });
}

#[test]
fn nothing_is_cut_off_on_a_phone() {
    let project = Project::new();
    on_page(&report(&project), 390, async |client| {
        let script = "document.querySelectorAll('details').forEach(fold => fold.open = true); \
                      return [innerWidth, document.documentElement.scrollWidth]";
        let widths = client.execute(script, Vec::new()).await.unwrap();
        assert_eq!(widths[0], 390);
        assert!(widths[1].as_u64().unwrap() <= 390, "{widths}");
        click(client, "replication").await;
        assert_eq!(visible(client).await, ["own-write-in-one-pipeline"]);
    });
}
