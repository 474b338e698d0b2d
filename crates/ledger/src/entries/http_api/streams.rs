//! Pipelines, cursors and the streams behind them.

use std::rc::Rc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::wire::{Wire, baton, execute, result, verdict_of};
use crate::{Area, Engines, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld_client::http::Answer;
use demo_stack::engine::ephemeral::EphemeralStack;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "response-limit",
        claim: "An answer of more than 10 MB is refused",
        source: "sqld --help, --max-response-size",
        area: Area::HttpAndSql,
        why: "A growing report stops working one day",
        mitigation: "Page through results, or use /v3/cursor",
        how: "Eleven rows of 1 MB each through /v3/pipeline, then through /v3/cursor",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = own(context, "response").await?;
            let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 11)
               SELECT hex(zeroblob(524288)) FROM n";
            let pipeline = wire.execute(sql).await?;
            let steps = json!({ "batch": { "steps": [{ "stmt": { "sql": sql } }] } });
            let cursor = wire.post("/v3/cursor", &steps).await?;
            let whole = cursor.body.matches(r#""type":"row""#).count() == 11;
            let verdict = match verdict_of(&pipeline).as_str() {
                "RESPONSE_TOO_LARGE" => Verdict::AsDocumented,
                _ => Verdict::Differs,
            };
            let finding = format!(
                "11 MB of rows: {} in a pipeline, {} through a cursor",
                verdict_of(&pipeline),
                if whole { "complete" } else { "incomplete" }
            );
            Ok(Observation::new(verdict, finding).answered("POST /v3/pipeline", &pipeline))
        }),
    },
    Probe {
        id: "cursor-breaks-off-on-refusal",
        claim: "A cursor reports errors as entries of its stream",
        source: "docs/HRANA_3_SPEC, cursor: `step_error`, `error` (server-facts)",
        area: Area::HttpAndSql,
        why: "A missing right looks like a network failure and is retried",
        mitigation: "Use /v3/pipeline for writes",
        how: "A token that may only read writes through /v3/cursor",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "cursor").await?;
            let reader = stack.token_with(&json!({ "a": "ro" }))?;
            let wire = Wire::new(&stack, "primary")?.namespace(&name).token(Some(reader));
            let steps =
                json!({ "batch": { "steps": [{ "stmt": { "sql": "CREATE TABLE t (x)" } }] } });
            let pipeline = wire.execute("CREATE TABLE t (x)").await?;
            let response = wire.request(Method::POST, "/v3/cursor").json(&steps).send().await;
            let response = response.map_err(|error| Error::experiment_saw("no answer", error))?;
            let status = response.status().as_u16();
            // The body itself is what may fail here, in the middle.
            let (verdict, body) = match response.text().await {
                Err(error) if error.is_timeout() => {
                    (Verdict::Differs, "a body that never ends".to_owned())
                }
                Err(_broken) => (Verdict::Differs, "a body that breaks off".to_owned()),
                Ok(text) if text.contains("error") => {
                    (Verdict::AsDocumented, "an error".to_owned())
                }
                Ok(_) => (Verdict::Differs, "a body without an error".to_owned()),
            };
            let finding = format!(
                "a forbidden write is answered {} by a pipeline, by a cursor {status} with {body}",
                pipeline.status
            );
            Ok(Observation::new(verdict, finding)
                .answered("POST /v3/pipeline", &pipeline)
                .saw("POST /v3/cursor", body))
        }),
    },
    Probe {
        id: "baton-works-once",
        claim: "A baton is good for one request and cannot be made up",
        source: "docs/HRANA_3_SPEC, Hrana over HTTP",
        area: Area::Security,
        why: "A baton is the key to somebody's open transaction",
        mitigation: "Nothing to do",
        how: "Uses one twice, and one that was made up",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = own(context, "baton").await?;
            let first = open(&wire, "BEGIN").await?;
            let used = continue_with(&wire, &first, "SELECT 1").await?;
            let again = continue_with(&wire, &first, "SELECT 1").await?;
            let made_up = continue_with(&wire, &"A".repeat(64), "SELECT 1").await?;
            let statuses = [used.status, again.status, made_up.status];
            Ok(Observation::new(
                if statuses == [200, 400, 400] { Verdict::AsDocumented } else { Verdict::Weakness },
                format!(
                    "first use {}, second {}, one made up {}",
                    statuses[0], statuses[1], statuses[2]
                ),
            )
            .answered("the second use", &again)
            .answered("one made up", &made_up))
        }),
    },
    Probe {
        id: "baton-crosses-namespaces",
        claim: "A baton belongs to the token and namespace that it was given to",
        source: "assumption (new)",
        area: Area::Security,
        why: "Anyone who sees a baton in a log can enter the stream with a token for another \
              namespace",
        mitigation: "Keep the bodies of answers out of logs; use TLS in front",
        how: "A token for one namespace continues a stream that was opened on another",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (victim, other) = (
                context.namespace(&stack, "victim").await?,
                context.namespace(&stack, "other").await?,
            );
            let wire = Wire::new(&stack, "primary")?;
            let made = wire.clone().namespace(&victim).execute("CREATE TABLE secret (x)").await?;
            if verdict_of(&made) != "ok" {
                return Err(Error::experiment_saw("cannot make the table", made.body).into());
            }
            let found = open(&wire.clone().namespace(&victim), "BEGIN").await?;
            let token = stack.token_with(&json!({ "a": "rw", "id": other.as_str() }))?;
            let stranger = wire.namespace(&other).token(Some(token));
            let read = continue_with(&stranger, &found, "SELECT count(*) FROM secret").await?;
            let next = baton(&read).unwrap_or_default();
            let write = continue_with(&stranger, &next, "INSERT INTO secret VALUES (1)").await?;
            let verdict = match verdict_of(&read).as_str() {
                "ok" => Verdict::Weakness,
                _ => Verdict::AsDocumented,
            };
            let finding = format!(
                "a token for one namespace with a baton of another: SELECT {}, INSERT {}",
                verdict_of(&read),
                verdict_of(&write)
            );
            Ok(Observation::new(verdict, finding)
                .answered("SELECT", &read)
                .answered("INSERT", &write))
        }),
    },
    Probe {
        id: "idle-stream-expires",
        claim: "A stream stays open until it is closed",
        source: "#670, #985, #1670",
        area: Area::HttpAndSql,
        why: "A transaction of a client that thinks for 10 s is rolled back",
        mitigation: "Keep transactions short; send something every few seconds",
        how: "Leaves a stream idle until the server frees it: 10 to 12 s, the one slow probe",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = limited(context, 1).await?;
            let name = context.namespace(&stack, "idle").await?;
            let wire = Wire::new(&stack, "primary")?.namespace(&name);
            let since = Instant::now();
            let left = open(&wire, "BEGIN").await?;
            // Asking the stream itself would keep it alive, so another request waits for its place.
            poll("the idle stream has gone", Duration::from_secs(20), async || {
                let answer = wire.execute("SELECT 1").await?;
                Ok(match answer.status {
                    200 => Attempt::Done(()),
                    status => Attempt::Again(format!("status {status}")),
                })
            })
            .await?;
            let about_ten = (8..14).contains(&since.elapsed().as_secs());
            let answer = continue_with(&wire, &left, "COMMIT").await?;
            context.discard(&stack).await?;
            let (verdict, finding) = match (answer.body.contains("STREAM_EXPIRED"), about_ten) {
                (true, true) => (Verdict::Undocumented, "an idle stream expires after about 10 s"),
                (true, false) => (Verdict::Undocumented, "an idle stream expires, not after 10 s"),
                (false, _) => (Verdict::AsDocumented, "an idle stream goes on"),
            };
            let finding = format!("{finding}: {}", answer.status);
            Ok(Observation::new(verdict, finding).answered("COMMIT", &answer))
        }),
    },
    Probe {
        id: "connection-limit-is-global",
        claim: "--max-concurrent-connections bounds the connections of one namespace",
        source: "sqld --help; assumption",
        area: Area::HttpAndSql,
        why: "A tenant that leaves streams open locks out all others",
        mitigation: "Raise the limit (128), and bound the streams per client at the proxy",
        how: "With a limit of 8, opens 8 streams on one namespace, then asks another",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const LIMIT: usize = 8;
            let stack = limited(context, LIMIT).await?;
            let (greedy, other) = (
                context.namespace(&stack, "greedy").await?,
                context.namespace(&stack, "other").await?,
            );
            let wire = Wire::new(&stack, "primary")?;
            for _ in 0..LIMIT {
                open(&wire.clone().namespace(&greedy), "SELECT 1").await?;
            }
            let answer = wire.clone().namespace(&other).execute("SELECT 1").await?;
            let health = wire.get("/health").await?;
            context.discard(&stack).await?;
            let verdict =
                if answer.status == 200 { Verdict::AsDocumented } else { Verdict::Weakness };
            let finding = format!(
                "with the limit used up by one namespace, another is answered {}, /health {}",
                answer.status, health.status
            );
            Ok(Observation::new(verdict, finding).answered("SELECT 1 elsewhere", &answer))
        }),
    },
    Probe {
        id: "replication-index-null-at-first",
        claim: "Every result has a replication index",
        source: "Hrana's field `replication_index`, undocumented (server-facts)",
        area: Area::HttpAndSql,
        why: "A client that expects a number fails on every fresh database",
        mitigation: "Take null for 0",
        how: "A SELECT on a database that nobody has written to, and after a write",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = own(context, "index").await?;
            let index = |answer: &Answer| {
                result(answer, 0)["response"]["result"].get("replication_index").map_or(
                    "absent",
                    |value| match value {
                        Value::Null => "null",
                        Value::String(_) => "text",
                        Value::Number(_) => "a number",
                        _ => "something else",
                    },
                )
            };
            let before = wire.execute("SELECT 1").await?;
            let write = wire.execute("CREATE TABLE t (x)").await?;
            let after = wire.execute("SELECT 1").await?;
            let finding = format!(
                "untouched: {}, the first write: {}, after it: {}",
                index(&before),
                index(&write),
                index(&after)
            );
            Ok(Observation::new(Verdict::Undocumented, finding)
                .answered("SELECT 1, untouched", &before))
        }),
    },
    Probe {
        id: "describe-is-stale-on-replica",
        claim: "A `describe` sees the effect of earlier requests of its stream",
        source: "docs/CONSISTENCY_MODEL: \"will always see its write\"",
        area: Area::Replication,
        why: "The libsql crate describes every statement first: \"no such table\"",
        mitigation: "Change schemas on the primary, and wait before using them on replicas",
        how: "On the replica, 20 times: CREATE TABLE and a describe of it in one pipeline",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const ROUNDS: usize = 20;
            let replica = known_replica(context).await?;
            let mut missed = 0;
            let mut last = None;
            for round in 0..ROUNDS {
                let create = execute(&format!("CREATE TABLE t{round} (x)"));
                let describe =
                    json!({ "type": "describe", "sql": format!("SELECT * FROM t{round}") });
                let answer =
                    replica.pipeline(json!([create, describe, { "type": "close" }])).await?;
                if verdict_of(&answer) != "ok" {
                    return Err(Error::experiment_saw("CREATE TABLE failed", answer.body).into());
                }
                missed += usize::from(result(&answer, 1)["type"] == "error");
                last = Some(answer);
            }
            let seen = Observation::either(
                missed > 0,
                (
                    Verdict::Differs,
                    "a describe on the replica misses the table that its stream has made",
                ),
                (
                    Verdict::AsDocumented,
                    "a describe on the replica sees the table that its stream has made",
                ),
            )
            .saw("describe after CREATE TABLE", format!("missed {missed} of {ROUNDS}"));
            Ok(match last {
                Some(answer) => seen.answered("the last", &answer),
                None => seen,
            })
        }),
    },
];

/// A wire to a namespace of its own.
async fn own(context: &ProbeContext<'_>, word: &str) -> Result<Wire> {
    let stack = context.namespaced().await?;
    let name = context.namespace(&stack, word).await?;
    Ok(Wire::new(&stack, "primary")?.namespace(&name))
}

/// Opens a stream with one statement; its baton.
async fn open(wire: &Wire, sql: &str) -> Result<String> {
    let answer = wire.pipeline(json!([execute(sql)])).await?;
    baton(&answer).ok_or_else(|| Error::experiment_saw("no stream was opened", answer.body).into())
}

/// Continues a stream with one statement.
async fn continue_with(wire: &Wire, baton: &str, sql: &str) -> Result<Answer> {
    wire.post("/v3/pipeline", &json!({ "baton": baton, "requests": [execute(sql)] })).await
}

/// A primary that lets no more than `limit` connections be open.
async fn limited(context: &ProbeContext<'_>, limit: usize) -> Result<Rc<EphemeralStack>> {
    context
        .primary(|plan| {
            for service in &mut plan.services {
                let flag = ["--max-concurrent-connections".to_owned(), limit.to_string()];
                service.command.extend(flag);
            }
            Ok(())
        })
        .await
}

/// A wire to a namespace of its own on the replica, which knows it.
async fn known_replica(context: &ProbeContext<'_>) -> Result<Wire> {
    let stack = context.namespaced().await?;
    let name = context.namespace(&stack, "describe").await?;
    let replica = Wire::new(&stack, "replica")?.namespace(&name);
    // The first request loads the namespace, which the replica may not know yet.
    poll("the replica knows the namespace", Duration::from_secs(5), async || {
        let answer = replica.execute("SELECT 1").await?;
        Ok(match verdict_of(&answer).as_str() {
            "ok" => Attempt::Done(()),
            _ => Attempt::Again(answer.excerpt()),
        })
    })
    .await?;
    Ok(replica)
}
