//! What somebody between primary and replica can read.

use super::relay::Relay;
use crate::entries::following::support::{run, shows};
use crate::{Area, Engines, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_stack::plan::Interface;
use demo_stack::plan::blueprint::Variants;

const NEEDS_LOOPBACK: &str = "the replica reaches the primary through this program, on loopback";

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "plaintext-replication",
        claim: "The nodes of a cluster communicate over gRPC with TLS",
        source: "USER_GUIDE, TLS configuration; the article on the demo's first version says \
                 h2c is the default",
        area: Area::Security,
        why: "Anyone who sees the traffic between the nodes can read every row",
        mitigation: "Turn on mutual TLS, or keep the nodes in a network of their own",
        how: "Lets the replica reach the primary through a relay and looks for a row in its bytes",
        engines: Engines::NativeOnly(NEEDS_LOOPBACK),
        check: &Probe::check(async |context| {
            let (bytes, found) = overheard(context, Variants::DEFAULT).await?;
            Ok(Observation::either(
                found,
                (Verdict::Weakness, "without flags the rows pass between the nodes as plain text"),
                (Verdict::AsDocumented, "without flags the rows cannot be read between the nodes"),
            )
            .saw("the bytes between the nodes", format!("{bytes} bytes, the row in them: {found}")))
        }),
    },
    Probe {
        id: "tls-hides-replication",
        claim: "With TLS nobody between primary and replica can read the rows",
        source: "USER_GUIDE, TLS configuration",
        area: Area::Security,
        why: "This is the purpose of the certificates",
        mitigation: "Nothing to do",
        how: "The same relay between servers with mutual TLS; the replica must show the row",
        engines: Engines::NativeOnly(NEEDS_LOOPBACK),
        check: &Probe::check(async |context| {
            let (bytes, found) = overheard(context, Variants::TLS).await?;
            Ok(Observation::either(
                found,
                (Verdict::Weakness, "with TLS the rows pass between the nodes as plain text"),
                (Verdict::AsDocumented, "with TLS the rows cannot be read between the nodes"),
            )
            .saw("the bytes between the nodes", format!("{bytes} bytes, the row in them: {found}")))
        }),
    },
];

/// No byte sequence that the servers exchange by themselves.
const MARKER: &str = "marker-c41f7e-of-a-row";

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
        return Err(Error::experiment("the replica did not get the row through the relay").into());
    }
    Ok(seen)
}
