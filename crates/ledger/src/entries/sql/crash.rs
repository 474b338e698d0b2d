//! SQL that ends the server with everything that it does for others.

use super::deadly::{self, Deadly, LARGE_STACK, doomed, reader, strike};
use crate::entries::recovery::fixtures::given;
use crate::{Area, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;

/// Fewer are read in time that grows with their square.
const VIEWS: usize = 3000;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "sql-length-ends-server",
        claim: "A function that would return a text that is too long is refused, or fails with \
                \"too big\"",
        source: "SQLite's limits; extension-functions.c in the server (new)",
        area: Area::Security,
        why: "One SELECT with a read-only token crashes the server, for every namespace",
        mitigation: "`demo gate serve` refuses the functions; restart the server after a crash",
        how: "SELECT replicate, padl, padr and padc of 'a' to 4294967296 letters, and rightstr to \
              2147483653, with a read-only token",
        engines: Engines::Both,
        check: &Probe::check(async |context| all_of(context, deadly::lengths()).await),
    },
    Probe {
        id: "sql-operator-chain-ends-server",
        claim: "An expression that is too long is refused",
        source: "SQLite's limit of 1,000 levels; libsql's own parser (new)",
        area: Area::Security,
        why: "The server parses before it checks limits, so 80 KB of SQL crash it",
        mitigation: "`demo gate serve` limits chains; with RUST_MIN_STACK=16777216 it takes \
                     300,000",
        how: "SELECT with a chain of 40,000 of each of nine operators, with a read-only token; and \
              40,000 parentheses",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let mut all = deadly::chains();
            all.push(deadly::parentheses());
            all_of(context, all).await
        }),
    },
    Probe {
        id: "sql-regexp-ends-server",
        claim: "A regular expression that cannot be compiled is an error",
        source: "assumption; SQLite's REGEXP from an extension (new)",
        area: Area::Security,
        why: "One argument of 40 KB in a SELECT crashes the server, however short the SQL is",
        mitigation: "`demo gate serve` refuses REGEXP; with a larger stack it takes a longer \
                     pattern",
        how: "SELECT 'a' REGEXP ? with 20,000 nested parentheses, with a read-only token",
        engines: Engines::Both,
        check: &Probe::check(async |context| all_of(context, deadly::nested_pattern()).await),
    },
    Probe {
        id: "sql-like-ends-server",
        claim: "LIKE and GLOB answer for every pattern that SQLite takes",
        source: "SQLite's limit of 50,000 bytes for a pattern (new)",
        area: Area::Security,
        why: "Applications pass on their users' patterns, and one of 50 KB crashes the server",
        mitigation: "Set RUST_MIN_STACK=16777216 for the server, as the compose files of demo do",
        how: "SELECT ? LIKE ? and ? GLOB ? with 24,999 wildcards, with a read-only token, with the \
              default stack of 2 MiB and with one of 16 MiB",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let all = deadly::wildcards();
            let (ended, lived, seen) = tried(context, None, &all).await?;
            let mut seen = judged(&ended, &lived, seen);
            let (ended, lived, other) = tried(context, Some(LARGE_STACK), &all).await?;
            let large = judged(&ended, &lived, other);
            seen.finding = format!("{}; with a stack of 16 MiB {}", seen.finding, large.finding);
            for line in large.evidence {
                seen.evidence.push(format!("16 MiB: {line}"));
            }
            Ok(seen)
        }),
    },
    Probe {
        id: "sql-views-end-server",
        claim: "A query over too many views is refused",
        source: "assumption; SQLite's documentation, Limits (new)",
        area: Area::Security,
        why: "A tenant that may write can crash the server for everybody, again and again",
        mitigation: "Set RUST_MIN_STACK=16777216; the query then takes half a minute of a core",
        how: "Makes 3,000 views, each on the one before, and reads the last one with a read-only \
              token",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let (stack, name) = doomed(context, None).await?;
            let made = stack.hrana("primary", Some(&name))?.script(&deadly::views(VIEWS)).await?;
            given(&stack, &name, &["SELECT * FROM v0"]).await?;
            let fate = strike(&stack, &reader(&stack, &name)?, &deadly::last_view(VIEWS)).await?;
            context.discard(&stack).await?;
            let seen = Observation::either(
                fate.ended,
                (
                    Verdict::Weakness,
                    "reading the last of 3,000 views, each on another, ends the server",
                ),
                (Verdict::AsDocumented, "the server survives 3,000 views, each on another"),
            );
            Ok(seen.replied("3,000 times CREATE VIEW", &made).saw("SELECT from the last", fate.saw))
        }),
    },
    Probe {
        id: "sql-vector-function-ends-server",
        claim: "libsql_vector_idx() without arguments is an error",
        source: "assumption; libSQL's vector indexes (new)",
        area: Area::Security,
        why: "A SELECT of 26 letters with a read-only token crashes the server",
        mitigation: "`demo gate serve` refuses it; restart the server after a crash",
        how: "SELECT libsql_vector_idx(), with a read-only token",
        engines: Engines::Both,
        check: &Probe::check(async |context| all_of(context, deadly::vector_index()).await),
    },
];

/// Tries each statement on one server, which is started again after each crash. Returns
/// what crashed it, what did not, and the client's view.
async fn tried(
    context: &ProbeContext<'_>,
    bytes: Option<&str>,
    all: &[Deadly],
) -> Result<(Vec<String>, Vec<String>, Observation)> {
    let (stack, name) = doomed(context, bytes).await?;
    let wire = reader(&stack, &name)?;
    let (mut ended, mut lived) = (Vec::new(), Vec::new());
    let mut seen = Observation::new(Verdict::AsDocumented, "");
    for deadly in all {
        let fate = strike(&stack, &wire, deadly).await?;
        let word = if fate.ended { "the server has ended" } else { "the server lives" };
        seen = seen.saw(&deadly.what, format!("{word}; {}", fate.saw));
        if fate.ended {
            ended.push(deadly.what.clone());
            stack.resume("primary").await?;
        } else {
            lived.push(deadly.what.clone());
        }
    }
    context.discard(&stack).await?;
    Ok((ended, lived, seen))
}

fn judged(ended: &[String], lived: &[String], mut seen: Observation) -> Observation {
    let mut parts = Vec::new();
    if !ended.is_empty() {
        seen.verdict = Verdict::Weakness;
        parts.push(format!("a reader ends the server with {}", ended.join(", ")));
    }
    if !lived.is_empty() {
        parts.push(format!("the server survives {}", lived.join(", ")));
    }
    seen.finding = parts.join("; ");
    seen
}

async fn all_of(context: &ProbeContext<'_>, all: Vec<Deadly>) -> Result<Observation> {
    let (ended, lived, seen) = tried(context, None, &all).await?;
    Ok(judged(&ended, &lived, seen))
}
