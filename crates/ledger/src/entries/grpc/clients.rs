//! The connection that the primary keeps for each client of a replica.

use serde_json::json;

use super::wire::{Caller, new_client_id};
use super::{filled, is_there};
use crate::{Area, Engines, Observation, Probe, Verdict};

pub(in crate::entries) const PROBES: &[Probe] = &[Probe {
    id: "client-id-crosses-namespaces",
    claim: "A write with a token for one namespace never lands in another",
    source: "assumption; the write path of embedded replicas",
    area: Area::Security,
    why: "The rights are checked for the namespace of the request, and the statement runs on the \
          connection of whoever used the client id first",
    mitigation: "Client ids are secrets: random, never logged, never reused for a second namespace",
    how: "On the HTTP port: a client of B runs a statement over Proxy/Execute; then a client with \
          a token {\"id\": A, \"a\": \"rw\"} inserts into A with the same client id",
    engines: Engines::Both,
    check: &Probe::check(async |context| {
        let stack = context.namespaced().await?;
        let (own, other) = (filled(context, &stack).await?, filled(context, &stack).await?);
        let id = new_client_id()?;
        let caller =
            |name| Ok::<_, anyhow::Error>(Caller::at_http_port(context, &stack)?.namespace(name));
        let owner = stack.token_with(&json!({ "id": other, "a": "rw" }))?;
        let first = caller(&other)?.token(&owner).client_id(&id).execute("SELECT 1").await?;
        let token = stack.token_with(&json!({ "id": own, "a": "rw" }))?;
        let insert = "INSERT INTO t VALUES ('stranger')";
        let second = caller(&own)?.token(&token).client_id(&id).execute(insert).await?;
        let in_own = is_there(&stack, &own, "stranger").await?;
        let in_other = is_there(&stack, &other, "stranger").await?;
        let (verdict, finding) = match (in_own, in_other) {
            (_, true) => (
                Verdict::Weakness,
                "with the client id of another namespace's client a token for one namespace writes \
                 to the other"
                    .to_owned(),
            ),
            (true, false) => (
                Verdict::AsDocumented,
                "the row lands in the namespace of the request"
                    .to_owned(),
            ),
            (false, false) => {
                let finding = format!(
                    "a client id that is in use is refused ({})",
                    second.outcome()
                );
                (Verdict::AsDocumented, finding)
            }
        };
        Ok(Observation::new(verdict, finding)
            .saw("SELECT in B with its own token", first.describe())
            .saw("INSERT in A with the same client id", second.describe()))
    }),
}];
