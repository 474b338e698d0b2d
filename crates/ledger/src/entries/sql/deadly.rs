//! Statements that end the server, and servers that may be ended.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ProbeContext;
use crate::entries::http_api::wire::{Wire, execute};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld::namespace::NamespaceName;
use demo_stack::engine::ServiceState;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;

/// What the threads of the server have as their stack, in bytes; 2 MiB when it is not set.
const STACK: &str = "RUST_MIN_STACK";
/// Enough for every pattern that `SQLite` takes.
pub(in crate::entries) const LARGE_STACK: &str = "16777216";

/// A server that ends has ended well within this.
const END: Duration = Duration::from_secs(10);

/// The parser's stack is full at some 25,000 (measured on sqld 0.24.32).
const CHAIN: usize = 40_000;
const NESTED: usize = 20_000;
/// `SQLite` takes patterns of 50,000 bytes.
const WILDCARDS: usize = 24_999;

/// A statement that ends the server.
pub(in crate::entries) struct Deadly {
    /// In a word or two, for the finding.
    pub what: String,
    sql: String,
    arguments: Vec<String>,
}

impl Deadly {
    fn new(what: impl Into<String>, sql: impl Into<String>) -> Self {
        Self { what: what.into(), sql: sql.into(), arguments: Vec::new() }
    }

    fn with(self, arguments: impl Into<Vec<String>>) -> Self {
        Self { arguments: arguments.into(), ..self }
    }

    /// The requests of a pipeline that runs it.
    pub fn requests(&self) -> Value {
        let mut request = execute(&self.sql);
        let arguments = self.arguments.iter();
        let arguments = arguments.map(|text| json!({ "type": "text", "value": text }));
        request["stmt"]["args"] = arguments.collect();
        json!([request, { "type": "close" }])
    }
}

/// Lengths that do not fit into 32 bits.
pub(in crate::entries) fn lengths() -> Vec<Deadly> {
    let one =
        |(name, length): &(&str, u64)| Deadly::new(*name, format!("SELECT {name}('a', {length})"));
    // With one that is negative in 32 bits the first four are out of memory, no more.
    let (zero, negative) = (1 << 32, (1 << 31) + 5);
    [("replicate", zero), ("padl", zero), ("padr", zero), ("padc", zero), ("rightstr", negative)]
        .iter()
        .map(one)
        .collect()
}

/// Long chains of operators, which the parser makes into deep trees.
pub(in crate::entries) fn chains() -> Vec<Deadly> {
    let one =
        |(what, link): &(&str, &str)| Deadly::new(*what, format!("SELECT 1{}", link.repeat(CHAIN)));
    [
        ("+", "+1"),
        ("||", "||1"),
        ("AND", " AND 1"),
        ("IS NULL", " IS NULL"),
        ("COLLATE", " COLLATE nocase"),
        ("->", "->1"),
        ("LIKE", " LIKE 1"),
        ("IN", " IN (1)"),
        ("BETWEEN", " BETWEEN 1 AND 1"),
    ]
    .iter()
    .map(one)
    .collect()
}

/// As deep as [`chains`] by parentheses, which the parser counts.
pub(super) fn parentheses() -> Deadly {
    Deadly::new("parentheses", format!("SELECT {}1{}", "(".repeat(CHAIN), ")".repeat(CHAIN)))
}

/// A regular expression that is compiled by recursion.
pub(in crate::entries) fn nested_pattern() -> Vec<Deadly> {
    let pattern = format!("{}a{}", "(".repeat(NESTED), ")".repeat(NESTED));
    vec![Deadly::new("REGEXP", "SELECT 'a' REGEXP ?").with([pattern])]
}

/// Patterns that are matched by recursion, one level for each wildcard.
pub(super) fn wildcards() -> Vec<Deadly> {
    let one = |(what, link): &(&str, &str)| {
        let arguments = ["a".repeat(WILDCARDS + 1), link.repeat(WILDCARDS)];
        Deadly::new(*what, format!("SELECT ? {what} ?")).with(arguments)
    };
    [("LIKE", "%a"), ("GLOB", "*a")].iter().map(one).collect()
}

/// A function that reads its first argument even when it is called without arguments.
pub(in crate::entries) fn vector_index() -> Vec<Deadly> {
    vec![Deadly::new("libsql_vector_idx()", "SELECT libsql_vector_idx()")]
}

/// The last of many views, each on the one before.
pub(super) fn last_view(count: usize) -> Deadly {
    Deadly::new("the last view", format!("SELECT * FROM v{}", count - 1))
}

/// A script that makes `count` views.
pub(super) fn views(count: usize) -> String {
    let one = |number: usize| format!("CREATE VIEW v{number} AS SELECT * FROM v{};", number - 1);
    let views: String = (1..count).map(one).collect();
    format!("CREATE TABLE t (x); BEGIN; CREATE VIEW v0 AS SELECT * FROM t; {views} COMMIT")
}

/// A throw-away primary that is not restarted automatically, with a namespace on it.
/// Its threads have `stack` bytes, or the default.
pub(in crate::entries) async fn doomed(
    context: &ProbeContext<'_>,
    stack: Option<&str>,
) -> Result<(Rc<EphemeralStack>, NamespaceName)> {
    let primary = context.primary(|plan| {
        for service in &mut plan.services {
            service.restart = None;
            service.environment.remove(STACK);
            if let Some(bytes) = stack {
                service.environment.insert(STACK.to_owned(), bytes.to_owned());
            }
        }
        Ok(())
    });
    let primary = primary.await?;
    let name = context.namespace(&primary, "doomed").await?;
    Ok((primary, name))
}

/// The primary's HTTP port for one who may read `name`.
pub(in crate::entries) fn reader(stack: &EphemeralStack, name: &NamespaceName) -> Result<Wire> {
    let end = jiff::Timestamp::now().as_second() + 600;
    let token = stack.token_with(&json!({ "p": { "ro": { "ns": [name] } }, "exp": end }))?;
    Ok(Wire::new(stack, "primary")?.namespace(name).token(Some(token)))
}

/// What became of the server.
pub(in crate::entries) struct Fate {
    pub ended: bool,
    /// What its client saw.
    pub saw: String,
}

/// Sends `deadly` to `wire` and looks whether the primary of `stack` is still there.
pub(in crate::entries) async fn strike(
    stack: &EphemeralStack,
    wire: &Wire,
    deadly: &Deadly,
) -> Result<Fate> {
    let saw = match wire.pipeline(deadly.requests()).await {
        Ok(answer) => format!("{} {}", answer.status, answer.body),
        Err(error) => format!("{error:#}"),
    };
    let health = format!("http://{}/health", stack.address("primary", Interface::Http)?);
    let ended = poll("the server answers or has ended", END, async || {
        if stack.engine.state("primary").await? == ServiceState::Stopped {
            return Ok(Attempt::Done(true));
        }
        Ok(match stack.http.get(&health).send().await {
            Ok(answer) if answer.status().is_success() => Attempt::Done(false),
            Ok(answer) => Attempt::Again(format!("{}", answer.status())),
            Err(error) => Attempt::Again(error.to_string()),
        })
    });
    Ok(Fate { ended: ended.await?, saw })
}
