//! Whether a replica shows what was written, and when.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::entries::following::support::{PATIENCE, eventually, run, shows};
use crate::{Area, Engines, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "replica-lag",
        claim: "A row inserted on the primary shows on the replica after a short delay",
        source: "the article on the demo's first version, Scenario 1",
        area: Area::Replication,
        why: "The lag decides which reads can go to a replica",
        mitigation: "Poll, or send the write's replication_index along; never wait a fixed time",
        how: "Writes eleven rows, polls the replica for each, takes the median of the delays",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.plain().await?;
            let table = table(context, &stack).await?;
            let (primary, replica) = (stack.hrana("primary", None)?, stack.hrana("replica", None)?);
            let mut delays = Vec::new();
            for number in 1..=11 {
                run(&primary, &[&format!("INSERT INTO {table} VALUES ({number})")]).await?;
                let since = Instant::now();
                let read = format!("SELECT count(*) FROM {table}");
                let number = number.to_string();
                let there = eventually(PATIENCE, async || {
                    Ok(replica.execute(&read).await?.scalar() == Some(number.as_str()))
                });
                if !there.await {
                    return Ok(Observation::new(
                        Verdict::Weakness,
                        "a row does not reach the replica",
                    ));
                }
                delays.push(since.elapsed());
            }
            delays.sort();
            let median = delays[delays.len() / 2];
            Ok(Observation::either(
                median <= SHORT,
                (Verdict::AsDocumented, "on loopback a row is on the replica within 100 ms"),
                (Verdict::Differs, "on loopback a row needs more than 100 ms to the replica"),
            )
            .saw("the median of eleven rows", format!("{:.1} ms", median.as_secs_f64() * 1e3)))
        }),
    },
    Probe {
        id: "own-write-in-one-pipeline",
        claim: "A process (connection) will always see its write",
        source: "CONSISTENCY_MODEL, Real-time guarantees",
        area: Area::Replication,
        why: "Code that inserts and reads back works on the primary and fails on a replica",
        mitigation: "Read back inside a transaction, on the primary, or with replication_index",
        how: "INSERT and SELECT in one pipeline at a replica, until one is missed, 60 times at \
              most; it depends on chance",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.plain().await?;
            let table = table(context, &stack).await?;
            let missed = first_miss(60, async |number| {
                let [insert, select] = statements(&table, number);
                let results = once(context, &stack, &[insert, select]).await?;
                Ok(results.get(1).and_then(first_value).as_deref() == Some("1"))
            });
            Ok(own_write(missed.await?, "the pipeline that made it"))
        }),
    },
    Probe {
        id: "own-write-in-same-stream",
        claim: "A stream at a replica shows its own write to its next request",
        source: "CONSISTENCY_MODEL, Real-time guarantees",
        area: Area::Replication,
        why: "Keeping a connection open does not prevent stale reads",
        mitigation: "Read back inside a transaction, on the primary, or with replication_index",
        how: "INSERT, then SELECT with the same baton, until one is missed, 200 times at most; \
              it depends on chance",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.plain().await?;
            let table = table(context, &stack).await?;
            let mut stream = Stream::new(context, &stack)?;
            let missed = first_miss(200, async |number| {
                let [insert, select] = statements(&table, number);
                stream.send(&[insert]).await?;
                let results = stream.send(&[select]).await?;
                Ok(results.first().and_then(first_value).as_deref() == Some("1"))
            });
            let missed = missed.await?;
            stream.close().await?;
            Ok(own_write(missed, "the next request of the stream that made it"))
        }),
    },
    Probe {
        id: "own-write-in-next-stream",
        claim: "A client of a replica that waits for its write's answer sees the write",
        source: "assumption; CONSISTENCY_MODEL, Real-time guarantees",
        area: Area::Replication,
        why: "A POST followed by a GET now and then overtakes replication",
        mitigation: "Read at the primary after a write, or with replication_index",
        how: "INSERT, then SELECT in a new stream, until one is missed, 300 times at most; \
              it depends on chance",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.plain().await?;
            let table = table(context, &stack).await?;
            let missed = first_miss(300, async |number| {
                let [insert, select] = statements(&table, number);
                once(context, &stack, &[insert]).await?;
                let results = once(context, &stack, &[select]).await?;
                Ok(results.first().and_then(first_value).as_deref() == Some("1"))
            });
            Ok(own_write(missed.await?, "a stream opened after it was answered"))
        }),
    },
    Probe {
        id: "own-write-with-index",
        claim: "A statement that carries a replication_index waits until the replica has it",
        source: "the field is in the Hrana types and in no document",
        area: Area::Replication,
        why: "It is the only way to read your own writes on a replica outside a transaction",
        mitigation: "Send the replication_index of the last write with every read at a replica",
        how: "INSERT, then SELECT with the index that the INSERT returned, 20 times",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.plain().await?;
            let table = table(context, &stack).await?;
            let missed = first_miss(ROUNDS, async |number| {
                let [insert, mut select] = statements(&table, number);
                let results = once(context, &stack, &[insert]).await?;
                let index = results
                    .first()
                    .map(|result| &result["response"]["result"]["replication_index"]);
                let Some(index) = index.filter(|index| !index.is_null()) else {
                    return Err(
                        Error::experiment("the INSERT returned no replication_index").into()
                    );
                };
                select["replication_index"] = index.clone();
                let results = once(context, &stack, &[select]).await?;
                Ok(results.first().and_then(first_value).as_deref() == Some("1"))
            });
            Ok(match missed.await? {
                None => Observation::new(
                    Verdict::Undocumented,
                    "a read that carries the write's replication_index always sees the write",
                ),
                Some(_) => Observation::new(
                    Verdict::Weakness,
                    "a read that carries the write's replication_index may miss the write",
                ),
            }
            .saw("rounds", ROUNDS.to_string()))
        }),
    },
    Probe {
        id: "own-write-in-transaction",
        claim: "A write is immediately visible to its own transaction, also on replicas",
        source: "CONSISTENCY_MODEL, Transactional consistency",
        area: Area::Replication,
        why: "A transaction lets reads see its writes on any server",
        mitigation: "Put the write and the read that needs it into one transaction",
        how: "BEGIN, INSERT, SELECT, COMMIT in one pipeline at a replica, 20 times",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.plain().await?;
            let table = table(context, &stack).await?;
            let missed = first_miss(ROUNDS, async |number| {
                let [insert, select] = statements(&table, number);
                let (begin, commit) = (json!({ "sql": "BEGIN" }), json!({ "sql": "COMMIT" }));
                let results = once(context, &stack, &[begin, insert, select, commit]).await?;
                Ok(results.get(2).and_then(first_value).as_deref() == Some("1"))
            });
            Ok(own_write(missed.await?, "its own transaction"))
        }),
    },
    Probe {
        id: "transaction-view-is-frozen",
        claim: "A transaction's view is frozen in time, also on replicas",
        source: "CONSISTENCY_MODEL, Transactional consistency",
        area: Area::Replication,
        why: "Reports that read several tables rely on one consistent snapshot",
        mitigation: "Run the transaction on the primary where it matters",
        how: "SELECT in a transaction at a replica, a row comes in from the primary, SELECT again",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.plain().await?;
            let table = table(context, &stack).await?;
            let count = json!({ "sql": format!("SELECT count(*) FROM {table}") });
            let mut stream = Stream::new(context, &stack)?;
            let begun = stream.send(&[json!({ "sql": "BEGIN DEFERRED" }), count.clone()]).await?;
            let before = begun.get(1).and_then(first_value).unwrap_or_default();
            run(&stack.hrana("primary", None)?, &[&format!("INSERT INTO {table} VALUES (1)")])
                .await?;
            let read = format!("SELECT count(*) FROM {table}");
            // Should the open transaction keep the replica from following, that shows here.
            let others = shows(&stack.hrana("replica", None)?, &read, "1").await;
            let after = stream.send(std::slice::from_ref(&count)).await?;
            let after = after.first().and_then(first_value).unwrap_or_default();
            stream.send(&[json!({ "sql": "COMMIT" })]).await?;
            stream.close().await?;
            let elsewhere = if others { "see the new row" } else { "do not see the new row" };
            let seen = match (before.as_str(), after.as_str()) {
                ("0", "0") => Observation::new(
                    Verdict::AsDocumented,
                    format!(
                        "a transaction at a replica keeps its view while other reads {elsewhere}"
                    ),
                ),
                ("0", "1") => Observation::new(
                    Verdict::Differs,
                    "a transaction at a replica sees a row that was written after it began to read",
                ),
                _ => Observation::new(
                    Verdict::Undocumented,
                    format!("it read `{before}`, then `{after}`"),
                ),
            };
            Ok(seen.saw("count(*) before and after", format!("{before}, {after}")))
        }),
    },
];

/// Below what a person notices, and far above what loopback needs.
const SHORT: Duration = Duration::from_millis(100);
/// One miss decides; these many are enough to meet one where it is likely.
const ROUNDS: u32 = 20;

/// The verdict on a promise that a write is seen by `reader`.
fn own_write(missed: Option<u32>, reader: &str) -> Observation {
    match missed {
        None => Observation::new(
            Verdict::AsDocumented,
            format!("at a replica a write is always seen by {reader}"),
        ),
        Some(round) => Observation::new(
            Verdict::Differs,
            format!("at a replica a write may not be seen by {reader}"),
        )
        .saw("the first miss", format!("round {round}")),
    }
}

/// The first round in which `found` is false.
async fn first_miss(
    rounds: u32,
    mut found: impl AsyncFnMut(u32) -> Result<bool>,
) -> Result<Option<u32>> {
    for round in 1..=rounds {
        if !found(round).await? {
            return Ok(Some(round));
        }
    }
    Ok(None)
}

/// A write of `number` and the read that looks for it.
fn statements(table: &str, number: u32) -> [Value; 2] {
    [
        json!({ "sql": format!("INSERT INTO {table} VALUES ({number})") }),
        json!({ "sql": format!("SELECT count(*) FROM {table} WHERE x = {number}") }),
    ]
}

/// A table of the probe's own that the replica has.
async fn table(context: &ProbeContext<'_>, stack: &EphemeralStack) -> Result<String> {
    let table = context.name("fresh")?.to_string();
    run(&stack.hrana("primary", None)?, &[&format!("CREATE TABLE {table} (x)")]).await?;
    let read = format!("SELECT count(*) FROM {table}");
    if !shows(&stack.hrana("replica", None)?, &read, "0").await {
        return Err(Error::experiment("the replica does not show a new table").into());
    }
    Ok(table)
}

/// A Hrana stream at the replica that stays open between requests.
struct Stream<'a> {
    http: &'a reqwest::Client,
    url: String,
    token: SecretString,
    baton: Value,
}

impl<'a> Stream<'a> {
    fn new(context: &'a ProbeContext<'_>, stack: &EphemeralStack) -> Result<Self> {
        let address = stack.address("replica", Interface::Http)?;
        let url = format!("http://{address}/v3/pipeline");
        Ok(Self { http: context.http(), url, token: stack.full_token()?, baton: Value::Null })
    }

    /// Runs `statements`; the results are in their order.
    async fn send(&mut self, statements: &[Value]) -> Result<Vec<Value>> {
        self.post(executions(statements)).await
    }

    /// The server has room for 128 streams and keeps one left open for ten seconds.
    async fn close(&mut self) -> Result<()> {
        self.post(vec![json!({ "type": "close" })]).await.map(drop)
    }

    async fn post(&mut self, requests: Vec<Value>) -> Result<Vec<Value>> {
        let body = json!({ "baton": self.baton, "requests": requests });
        let token = self.token.expose_secret();
        let response = self.http.post(&self.url).bearer_auth(token).json(&body).send().await?;
        let mut answer: Value = response.error_for_status()?.json().await?;
        self.baton = answer["baton"].take();
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        if let Some(error) = results.iter().find_map(|result| result.get("error")) {
            return Err(Error::experiment_saw("a statement failed", error.to_string()).into());
        }
        Ok(results)
    }
}

/// Runs `statements` in a stream of their own, in one pipeline.
async fn once(
    context: &ProbeContext<'_>,
    stack: &EphemeralStack,
    statements: &[Value],
) -> Result<Vec<Value>> {
    let mut requests = executions(statements);
    requests.push(json!({ "type": "close" }));
    Stream::new(context, stack)?.post(requests).await
}

fn executions(statements: &[Value]) -> Vec<Value> {
    statements.iter().map(|stmt| json!({ "type": "execute", "stmt": stmt })).collect()
}

/// The first value of the first row of a result.
fn first_value(result: &Value) -> Option<String> {
    let value = &result["response"]["result"]["rows"][0][0]["value"];
    value.as_str().map(str::to_owned)
}
