//! The connections to databases that all namespaces share.

use futures::future::try_join_all;
use serde_json::json;

use crate::error::{Fault, Result};
use crate::probe::ledger::http_api::wire::{Wire, execute, verdict_of};
use crate::probe::ledger::sql::deadly::reader;
use crate::probe::{Lab, Observation, Verdict};
use crate::server::http::Answer;

/// What the server has, unless --max-concurrent-connections says otherwise.
const CONNECTIONS: usize = 128;
/// Opened at a time.
const TOGETHER: usize = 16;

/// Opens `count` streams that stay open.
async fn open(wire: &Wire, count: usize) -> Result<()> {
    let numbers: Vec<usize> = (0..count).collect();
    for some in numbers.chunks(TOGETHER) {
        let opened = some.iter().map(async |_| {
            let answer = wire.pipeline(json!([execute("SELECT 1")])).await?;
            match answer.status {
                200 => Ok::<_, anyhow::Error>(()),
                _ => Err(Fault::failed("a stream was refused").because(answer.excerpt()).into()),
            }
        });
        try_join_all(opened).await?;
    }
    Ok(())
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

pub(super) async fn shared(lab: &Lab<'_>) -> Result<Observation> {
    let stack = lab.primary(|_| Ok(())).await?;
    let busy = lab.namespace(&stack, "busy").await?;
    let other = lab.namespace(&stack, "other").await?;
    let wire = reader(&stack, &busy)?;
    let neighbour = reader(&stack, &other)?;
    open(&wire, CONNECTIONS - 1).await?;
    let before = neighbour.execute("SELECT 1").await?;
    open(&wire, 1).await?;
    let after = neighbour.execute("SELECT 1").await?;
    lab.discard(&stack).await?;
    let locked_out = verdict_of(&before) == "ok" && verdict_of(&after) != "ok";
    let verdict = if locked_out { Verdict::Weakness } else { Verdict::AsDocumented };
    let finding = format!(
        "while a reader of one namespace has 127 streams open another namespace is {}, with 128 \
         it is {}",
        said(&before),
        said(&after)
    );
    Ok(Observation::new(verdict, finding)
        .answered("SELECT 1 in another namespace, 127 open", &before)
        .answered("the same, 128 open", &after))
}
