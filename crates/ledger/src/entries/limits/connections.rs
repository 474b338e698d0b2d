//! The connections to databases that all namespaces share.

use futures::{StreamExt, stream};
use serde_json::json;

use crate::entries::http_api::wire::{Wire, execute, verdict_of};
use crate::entries::sql::deadly::reader;
use crate::{Area, Engines, Error, Observation, Probe, Verdict};
use demo_base::error::Result;
use demo_sqld_client::http::Answer;

pub(in crate::entries) const PROBES: &[Probe] = &[Probe {
    id: "connections-shared-by-namespaces",
    claim: "A namespace is served no matter how many streams another one has open",
    source: "sqld --help, --max-concurrent-connections; assumption (new)",
    area: Area::Security,
    why: "One tenant with a read-only token can lock out all others, for 8 s at a time",
    mitigation: "Cap the streams of each namespace in front of the server, as `demo gate serve` \
                 does",
    how: "A read-only token leaves 128 pipelines open; SELECT 1 in another namespace",
    engines: Engines::Both,
    check: &Probe::check(async |context| {
        let stack = context.primary(|_| Ok(())).await?;
        let busy = context.namespace(&stack, "busy").await?;
        let other = context.namespace(&stack, "other").await?;
        let wire = reader(&stack, &busy)?;
        let neighbour = reader(&stack, &other)?;
        must_open(&wire, CONNECTIONS - 1).await?;
        let before = neighbour.execute("SELECT 1").await?;
        must_open(&wire, 1).await?;
        let after = neighbour.execute("SELECT 1").await?;
        context.discard(&stack).await?;
        let locked_out = verdict_of(&before) == "ok" && verdict_of(&after) != "ok";
        let verdict = if locked_out { Verdict::Weakness } else { Verdict::AsDocumented };
        let finding = format!(
            "while a reader of one namespace has 127 streams open another namespace is {}, with \
             128 it is {}",
            said(&before),
            said(&after)
        );
        Ok(Observation::new(verdict, finding)
            .answered("SELECT 1 in another namespace, 127 open", &before)
            .answered("the same, 128 open", &after))
    }),
}];

/// What the server has, unless --max-concurrent-connections says otherwise.
pub(in crate::entries) const CONNECTIONS: usize = 128;
/// Opened at a time.
const TOGETHER: usize = 32;

/// Opens `count` streams that stay open; how many there are then.
pub(in crate::entries) async fn open(wire: &Wire, count: usize) -> usize {
    let opening = async |_| wire.pipeline(json!([execute("SELECT 1")])).await;
    let opened = stream::iter(0..count).map(opening).buffer_unordered(TOGETHER);
    let good = opened.filter(|answer| {
        let good = answer.as_ref().is_ok_and(|answer| answer.status == 200);
        std::future::ready(good)
    });
    good.count().await
}

async fn must_open(wire: &Wire, count: usize) -> Result<(), Error> {
    let opened = open(wire, count).await;
    if opened == count {
        return Ok(());
    }
    Err(Error::experiment(format!("only {opened} of {count} streams were opened")))
}

fn said(answer: &Answer) -> String {
    match verdict_of(answer).as_str() {
        "ok" => "served".to_owned(),
        _ if answer.body.contains("Timed out while opening database connection") => {
            format!("answered {} (no connection)", answer.status)
        }
        other => format!("answered {other}"),
    }
}
