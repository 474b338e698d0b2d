//! What somebody between primary and replica can read.

use super::relay::Relay;
use crate::entries::following::support::{run, shows};
use crate::{Observation, ProbeContext, Verdict};
use demo_base::error::{Fault, Result};
use demo_stack::plan::Interface;
use demo_stack::plan::blueprint::Variants;

/// No byte sequence that the servers exchange by themselves.
const MARKER: &str = "marker-c41f7e-of-a-row";

pub async fn plaintext(context: &ProbeContext<'_>) -> Result<Observation> {
    let (bytes, found) = overheard(context, Variants::DEFAULT).await?;
    Ok(Observation::either(
        found,
        (Verdict::Weakness, "without flags the rows pass between the nodes as plain text"),
        (Verdict::AsDocumented, "without flags the rows cannot be read between the nodes"),
    )
    .saw("the bytes between the nodes", format!("{bytes} bytes, the row in them: {found}")))
}

pub async fn encrypted(context: &ProbeContext<'_>) -> Result<Observation> {
    let (bytes, found) = overheard(context, Variants::TLS).await?;
    Ok(Observation::either(
        found,
        (Verdict::Weakness, "with TLS the rows pass between the nodes as plain text"),
        (Verdict::AsDocumented, "with TLS the rows cannot be read between the nodes"),
    )
    .saw("the bytes between the nodes", format!("{bytes} bytes, the row in them: {found}")))
}

/// How many bytes passed between the nodes, and whether a row was among them.
async fn overheard(context: &ProbeContext<'_>, variants: Variants) -> Result<(usize, bool)> {
    let relay = Relay::start().await?;
    let scheme = if variants.tls { "https" } else { "http" };
    let url = format!("{scheme}://{}", relay.address);
    let stack = context
        .own(variants, |plan, _| {
            for service in plan.services.iter_mut().filter(|service| service.name == "replica") {
                service.environment.insert("SQLD_PRIMARY_URL".to_owned(), url.clone());
            }
            Ok(())
        })
        .await?;
    relay.lead_to(stack.address("primary", Interface::Grpc)?);
    let insert = format!("INSERT INTO t VALUES ('{MARKER}')");
    run(&stack.hrana("primary", None)?, &["CREATE TABLE t (x)", &insert]).await?;
    let shown = shows(&stack.hrana("replica", None)?, "SELECT x FROM t", MARKER).await;
    let seen = relay.saw(MARKER);
    context.discard(&stack).await?;
    if !shown || seen.0 == 0 {
        return Err(Fault::failed("the replica did not get the row through the relay").into());
    }
    Ok(seen)
}
