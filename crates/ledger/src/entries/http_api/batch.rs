//! `POST /`, the older interface, and sizes of requests.

use std::time::Duration;

use serde_json::{Value, json};

use super::wire::{Wire, execute, scalar, verdict_of};
use crate::{Area, Engines, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld_client::http::Answer;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "batch-keeps-what-precedes-an-error",
        claim: "`POST /` runs its statements in one transaction: an error leaves no change",
        source: "docs/http_api.md, POST /queries: \"resulting in no change\"",
        area: Area::HttpAndSql,
        why: "Half of a transaction is stored",
        mitigation: "Include BEGIN and COMMIT in the batch, or use a conditional batch of \
                     /v3/pipeline",
        how: "Sends a good insert, a bad one and a good one, and looks which are stored",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = table(context).await?;
            let statements = [
                "INSERT INTO t VALUES (1)",
                "INSERT INTO missing VALUES (2)",
                "INSERT INTO t VALUES (3)",
            ];
            let answer = wire.batch(&statements).await?;
            let stored = stored(&wire).await?;
            let verdict = match stored.as_str() {
                "nothing" => Verdict::AsDocumented,
                _ => Verdict::Weakness,
            };
            let finding = format!(
                "good insert 1, bad insert, good insert 3: status {}, stored: {stored}",
                answer.status
            );
            Ok(Observation::new(verdict, finding).answered("POST /", &answer))
        }),
    },
    Probe {
        id: "batch-takes-transactions",
        claim: "Transaction control statements are forbidden in `POST /`",
        source: "docs/http_api.md, POST /queries: \"forbidden and will yield an error\"",
        area: Area::HttpAndSql,
        why: "It is the only way to make that interface atomic",
        mitigation: "Close every BEGIN within the same request",
        how: "Sends BEGIN, an insert and COMMIT; then BEGIN and an insert without COMMIT",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = table(context).await?;
            let whole = wire.batch(&["BEGIN", "INSERT INTO t VALUES (1)", "COMMIT"]).await?;
            let open = wire.batch(&["BEGIN", "INSERT INTO t VALUES (2)"]).await?;
            let stored = stored(&wire).await?;
            let verdict =
                if whole.status == 200 { Verdict::Differs } else { Verdict::AsDocumented };
            let finding = format!(
                "BEGIN to COMMIT is answered {}, BEGIN alone {}; stored: {stored}",
                whole.status, open.status
            );
            Ok(Observation::new(verdict, finding)
                .answered("BEGIN, INSERT 1, COMMIT", &whole)
                .answered("BEGIN, INSERT 2", &open))
        }),
    },
    Probe {
        id: "batch-answer-is-no-json",
        claim: "The response of `POST /` is JSON",
        source: "docs/http_api.md",
        area: Area::HttpAndSql,
        why: "A client cannot read why its transaction failed",
        mitigation: "Use /v3/pipeline",
        how: "Sends BEGIN, a good insert, a bad one and COMMIT, and parses the body",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = table(context).await?;
            let statements =
                ["BEGIN", "INSERT INTO t VALUES (1)", "INSERT INTO missing VALUES (2)", "COMMIT"];
            let answer = wire.batch(&statements).await?;
            let is_json = serde_json::from_str::<Value>(&answer.body).is_ok();
            let (verdict, body) = if is_json {
                (Verdict::AsDocumented, "JSON")
            } else {
                (Verdict::Differs, "not JSON")
            };
            let finding = format!("a transaction with an error in it: {}, {body}", answer.status);
            // The end is what cannot be parsed.
            let end: String = answer.body.chars().rev().take(120).collect();
            let end: String = end.chars().rev().collect();
            Ok(Observation::new(verdict, finding).saw("POST /, the end of the body", end))
        }),
    },
    Probe {
        id: "sql-errors-inside-200",
        claim: "A failed statement gets an error status",
        source: "docs/http_api.md, Response format",
        area: Area::HttpAndSql,
        why: "Health checks, proxies and scripts with `curl --fail` mistake the failure for \
              success",
        mitigation: "Look for `error` in every answer",
        how: "A statement on a missing table, to `POST /` and to /v3/pipeline",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = table(context).await?;
            let batch = wire.batch(&["INSERT INTO missing VALUES (1)"]).await?;
            let pipeline = wire.execute("INSERT INTO missing VALUES (1)").await?;
            let silent = batch.status == 200 || pipeline.status == 200;
            let verdict = if silent { Verdict::Differs } else { Verdict::AsDocumented };
            let finding = format!(
                "a missing table is answered {} by POST / and {} by a pipeline",
                batch.status, pipeline.status
            );
            Ok(Observation::new(verdict, finding)
                .answered("POST /", &batch)
                .answered("POST /v3/pipeline", &pipeline))
        }),
    },
    Probe {
        id: "batch-syntax-error-is-500",
        claim: "Bad SQL is the client's error: 400",
        source: "docs/http_api.md; assumption",
        area: Area::HttpAndSql,
        why: "A typo looks like an outage, and proxies retry it",
        mitigation: "Use /v3/pipeline, where it is an error inside a 200",
        how: "Sends a word that is not SQL to `POST /`, /v3/pipeline and /v3/cursor",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = table(context).await?;
            let batch = wire.batch(&["SELEC 1"]).await?;
            let pipeline = wire.execute("SELEC 1").await?;
            let steps = json!({ "batch": { "steps": [{ "stmt": { "sql": "SELEC 1" } }] } });
            let cursor = wire.post("/v3/cursor", &steps).await?;
            let statuses = [batch.status, pipeline.status, cursor.status];
            let internal = statuses.contains(&500);
            let verdict = if internal { Verdict::Differs } else { Verdict::AsDocumented };
            let finding = format!(
                "a syntax error is answered {} by POST /, {} by a pipeline, {} by a cursor",
                batch.status, pipeline.status, cursor.status
            );
            Ok(Observation::new(verdict, finding)
                .answered("POST /", &batch)
                .answered("POST /v3/pipeline", &pipeline)
                .answered("POST /v3/cursor", &cursor))
        }),
    },
    Probe {
        id: "documented-routes-are-gone",
        claim: "Batches go to POST /queries, dumps to POST /load-dump",
        source: "docs/http_api.md, Routes (new)",
        area: Area::HttpAndSql,
        why: "Anyone who follows the document gets 404",
        mitigation: "POST / takes the batches; the Admin API's create takes a `dump_url`",
        how: "Sends a batch to /queries and to /, and a dump to /load-dump",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = table(context).await?;
            let statements = json!({ "statements": ["SELECT 1"] });
            let queries = wire.post("/queries", &statements).await?;
            let root = wire.post("/", &statements).await?;
            let load = wire.post("/load-dump", &json!("SELECT 1;")).await?;
            let gone = queries.status == 404 || load.status == 404;
            let verdict = if gone { Verdict::Differs } else { Verdict::AsDocumented };
            let finding = format!(
                "/queries is answered {}, /load-dump {}, / {}",
                queries.status, load.status, root.status
            );
            Ok(Observation::new(verdict, finding)
                .answered("POST /queries", &queries)
                .answered("POST /load-dump", &load))
        }),
    },
    Probe {
        id: "batch-body-limit",
        claim: "The size of a request body is limited, equally on every interface",
        source: "assumption",
        area: Area::HttpAndSql,
        why: "A client with any token can make the server hold a body of any size in memory",
        mitigation: "Limit the body size at the proxy",
        how: "3 MB to `POST /`, 12 MB to /v3/pipeline",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let wire = table(context).await?;
            // A comment, so that nothing but the body is large.
            let padded =
                |megabytes: usize| format!("SELECT 1 /* {} */", "x".repeat(megabytes << 20));
            let body = json!({ "requests": [{ "type": "close" }, execute(&padded(12))] });
            let pipeline = wire.post("/v3/pipeline", &body).await?;
            // The server may close the connection before it has read the whole body; its answer is
            // then lost, and the request is repeated.
            let batch = poll("POST / of 3 MB is answered", Duration::from_secs(6), async || {
                Ok(match wire.batch(&[&padded(3)]).await {
                    Ok(answer) => Attempt::Done(answer),
                    Err(error) => Attempt::Again(format!("{error:#}")),
                })
            })
            .await?;
            let bounded = |answer: &Answer| {
                if answer.status == 413 { "refused with 413" } else { "taken" }
            };
            let both = batch.status == 413 && pipeline.status == 413;
            let verdict = if both { Verdict::AsDocumented } else { Verdict::Undocumented };
            let finding = format!(
                "3 MB to POST / are {}, 12 MB to /v3/pipeline are {}",
                bounded(&batch),
                bounded(&pipeline)
            );
            Ok(Observation::new(verdict, finding)
                .answered("POST /", &batch)
                .answered("POST /v3/pipeline", &pipeline))
        }),
    },
];

/// A namespace of its own with an empty table `t`.
async fn table(context: &ProbeContext<'_>) -> Result<Wire> {
    let stack = context.namespaced().await?;
    let name = context.namespace(&stack, "batch").await?;
    let wire = Wire::new(&stack, "primary")?.namespace(&name);
    let made = wire.execute("CREATE TABLE t (x)").await?;
    if verdict_of(&made) != "ok" {
        return Err(Error::experiment_saw("cannot make the table", made.body).into());
    }
    Ok(wire)
}

/// What `t` holds, such as `1,2`.
async fn stored(wire: &Wire) -> Result<String> {
    let answer = wire.execute("SELECT ifnull(group_concat(x), 'nothing') FROM t").await?;
    scalar(&answer)
        .ok_or_else(|| Error::experiment_saw("cannot read the table", answer.body).into())
}
