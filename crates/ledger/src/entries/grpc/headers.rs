//! The header in which a replica states its client's rights.

use super::wire::{Caller, Reply};
use super::{GRANT, filled};
use crate::{Area, Engines, Observation, Probe, Verdict};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_stack::engine::ephemeral::EphemeralStack;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "malformed-rights-header-panics",
        claim: "A malformed internal header is refused with an error",
        source: "assumption",
        area: Area::Security,
        why: "Anyone who can reach the gRPC port can make handlers panic and fill the log",
        mitigation: "Bind the gRPC port to loopback or demand client certificates",
        how: "Proxy/Execute on the gRPC port with x-proxy-authorization: zz; then an SQL request",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = filled(context, &stack).await?;
            let caller = Caller::at_grpc_port(context, &stack)?.namespace(&name);
            let answer = caller.with(GRANT.0, "zz").execute("SELECT 1").await;
            judge(&stack, &name, "the gRPC port", answer).await
        }),
    },
    Probe {
        id: "malformed-rights-header-on-http-port",
        claim: "On the HTTP port nobody without a token gets as far as an internal header",
        source: "assumption",
        area: Area::Security,
        why: "The HTTP port is the published one, so strangers can make its handlers panic",
        mitigation: "Let a proxy pass only /v2 and /v3 to the HTTP port",
        how: "Proxy/Execute on the HTTP port without a token, with x-proxy-authorization: zz, for \
              a namespace that does not exist; then an SQL request",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (name, missing) = (filled(context, &stack).await?, context.name("grpcmissing")?);
            let caller = Caller::at_http_port(context, &stack)?.namespace(&missing);
            let answer = caller.with(GRANT.0, "zz").execute("SELECT 1").await;
            judge(&stack, &name, "the HTTP port, for a namespace that does not exist,", answer)
                .await
        }),
    },
];

/// A handler that panics drops its connection and nothing else.
async fn judge(
    stack: &EphemeralStack,
    name: &NamespaceName,
    place: &str,
    answer: Result<Reply>,
) -> Result<Observation> {
    let alive = stack.hrana("primary", Some(name))?.execute("SELECT 1").await?.succeeded();
    let log = stack.engine.logs("primary", None).await?;
    let panic = log.lines().find(|line| line.contains("panicked at")).unwrap_or("no panic");
    let server = if alive { "the server lives on" } else { "the server answers no more" };
    let (verdict, what) = match &answer {
        Ok(reply) => (Verdict::AsDocumented, format!("is answered with {}", reply.outcome())),
        Err(error) if is_timeout(error) => (Verdict::Weakness, "is never answered".to_owned()),
        Err(_) => (Verdict::Weakness, "makes the handler drop the connection".to_owned()),
    };
    let finding = format!("a malformed x-proxy-authorization on {place} {what}; {server}");
    let said = answer.map_or_else(|error| format!("{error:#}"), |reply| reply.describe());
    Ok(Observation::new(verdict, finding)
        .saw("Proxy/Execute with x-proxy-authorization: zz", said)
        .saw("the primary's log", panic))
}

fn is_timeout(error: &anyhow::Error) -> bool {
    error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout)
}
