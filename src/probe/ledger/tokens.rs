//! Which tokens the server takes, and for what.

use futures::FutureExt;
use serde_json::json;

use crate::error::Result;
use crate::probe::{Area, Engines, Lab, Observation, Probe, Verdict};

pub(super) const PROBES: &[Probe] = &[Probe {
    id: "empty-claims-full-access",
    claim: "A token without `a`, `id` and `p` allows little or nothing",
    source: "assumption; gen_jwt.py calls it \"Full access\" (P10)",
    area: Area::Security,
    why: "A mint that forgets the claim hands out the keys to every namespace",
    mitigation: "Always mint an explicit `a` or `p` claim; `demo token mint` never makes an empty one",
    how: "A token {\"sub\":\"user-1\"} writes to a namespace that it does not name",
    engines: Engines::Both,
    check: |lab| empty_claims(lab).boxed_local(),
}];

async fn empty_claims(lab: &Lab<'_>) -> Result<Observation> {
    let stack = lab.namespaced().await?;
    let name = lab.namespace(&stack, "empty").await?;
    let token = stack.token_with(&json!({ "sub": "user-1" }))?;
    let hrana = stack.anonymous("primary", Some(&name))?.token(&token);
    let reply = hrana.execute("CREATE TABLE t (x)").await?;
    Ok(Observation::either(
        reply.succeeded(),
        (Verdict::Weakness, "a token without claims reads and writes every namespace"),
        (Verdict::AsDocumented, "a token without claims is refused"),
    )
    .replied("CREATE TABLE with {\"sub\":\"user-1\"}", &reply))
}
