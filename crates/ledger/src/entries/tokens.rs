//! Which tokens the server accepts, and for what.

pub(super) mod answers;
pub(super) mod guides;
pub(super) mod lifetime;

use serde_json::{Value, json};

use self::answers::{judge, outcome};
use crate::{Area, Engines, Probe, Verdict};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::hrana::Reply;
use demo_stack::engine::ephemeral::EphemeralStack;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "empty-claims-full-access",
        claim: "A token without `a`, `id` and `p` allows little or nothing",
        source: "assumption; gen_jwt.py calls it \"Full access\"",
        area: Area::Security,
        why: "A mint that forgets the claim issues a token for every namespace",
        mitigation: "Always mint an explicit `a` or `p` claim; `demo token mint` never makes an \
                     empty one",
        how: "A token {\"sub\":\"user-1\"} writes to a namespace that it does not name",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "empty").await?;
            let reply = with_claims(&stack, &name, &json!({ "sub": "user-1" }), WRITE).await?;
            let known = [
                (
                    "200",
                    Verdict::Weakness,
                    "a token without claims reads and writes every namespace",
                ),
                ("401", Verdict::AsDocumented, "a token without claims is refused with 401"),
                ("403", Verdict::AsDocumented, "a token without claims is refused with 403"),
                ("404", Verdict::AsDocumented, "a token without claims is refused with 404"),
            ];
            Ok(judge(&outcome(&reply), &known)
                .replied("CREATE TABLE with {\"sub\":\"user-1\"}", &reply))
        }),
    },
    Probe {
        id: "token-for-other-namespace-404",
        claim: "A token for one namespace is answered 403 on another",
        source: "assumption",
        area: Area::Security,
        why: "A wrong token looks like a missing namespace, so a client may try to create it again",
        mitigation: "Read a 404 as \"not there, or not yours\" and ask the Admin API which it is",
        how: "A token {\"id\":A} reads namespace B, which exists",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let own = context.namespace(&stack, "own").await?;
            let foreign = context.namespace(&stack, "foreign").await?;
            let claims = json!({ "id": own.as_str(), "a": "rw" });
            let control = with_claims(&stack, &own, &claims, READ).await?;
            let reply = with_claims(&stack, &foreign, &claims, READ).await?;
            let answers = format!("{} and {}", outcome(&control), outcome(&reply));
            let known = [
                (
                    "200 and 404",
                    Verdict::Differs,
                    "a token for another namespace is answered 404, as if the namespace did not \
                     exist",
                ),
                (
                    "200 and 403",
                    Verdict::AsDocumented,
                    "a token for another namespace is answered 403",
                ),
                ("200 and 200", Verdict::Weakness, "a token for another namespace is accepted"),
            ];
            Ok(judge(&answers, &known)
                .replied("SELECT on the token's namespace", &control)
                .replied("SELECT on another", &reply))
        }),
    },
    Probe {
        id: "token-read-only-403",
        claim: "A token with `a` = `ro` reads and cannot write",
        source: "docs/USER_GUIDE, Client Authentication",
        area: Area::Security,
        why: "Read-only tokens are given to reports and dashboards",
        mitigation: "Nothing to do on the HTTP port; see the probes of the gRPC port",
        how: "A token {\"a\":\"ro\"} reads, then creates a table",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "readonly").await?;
            let claims = json!({ "a": "ro" });
            let read = with_claims(&stack, &name, &claims, READ).await?;
            let write = with_claims(&stack, &name, &claims, WRITE).await?;
            let answers = format!("{} and {}", outcome(&read), outcome(&write));
            let known = [
                (
                    "200 and 403",
                    Verdict::AsDocumented,
                    "a read-only token reads; its write is answered 403",
                ),
                ("200 and 200", Verdict::Weakness, "a read-only token writes"),
            ];
            Ok(judge(&answers, &known).replied("SELECT", &read).replied("CREATE TABLE", &write))
        }),
    },
    Probe {
        id: "token-p-beats-id-and-a",
        claim: "The claims `p`, `id` and `a` of one token add up",
        source: "assumption",
        area: Area::Security,
        why: "Adding `p` to a token takes away what the other claims gave",
        mitigation: "Use either `p` or `a` with `id`, never both",
        how: "A token with p for A and id for B writes to A and reads B",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let named = context.namespace(&stack, "named").await?;
            let other = context.namespace(&stack, "other").await?;
            let claims = json!({
                "p": { "rw": { "ns": [named.as_str()] } }, "id": other.as_str(), "a": "rw",
            });
            let in_p = with_claims(&stack, &named, &claims, WRITE).await?;
            let in_id = with_claims(&stack, &other, &claims, READ).await?;
            let answers = format!("{} and {}", outcome(&in_p), outcome(&in_id));
            let known = [
                (
                    "200 and 404",
                    Verdict::Undocumented,
                    "with `p` in a token, `id` and `a` do not count",
                ),
                ("200 and 200", Verdict::AsDocumented, "`p`, `id` and `a` of a token add up"),
                ("404 and 200", Verdict::Differs, "with `id` in a token, `p` does not count"),
            ];
            Ok(judge(&answers, &known)
                .replied("CREATE TABLE in the namespace of `p`", &in_p)
                .replied("SELECT in the namespace of `id`", &in_id))
        }),
    },
    Probe {
        id: "token-empty-p-allows-nothing",
        claim: "A token with an empty `p` falls back to its `a`",
        source: "assumption",
        area: Area::Security,
        why: "Unlike a token without claims, one with an empty list of permissions is harmless",
        mitigation: "A mint should always write `p`, even an empty one: it fails closed",
        how: "A token {\"p\":{},\"a\":\"rw\"} reads an existing namespace",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "nothing").await?;
            let reply = with_claims(&stack, &name, &json!({ "p": {}, "a": "rw" }), READ).await?;
            let known = [
                (
                    "404",
                    Verdict::Undocumented,
                    "a token with an empty `p` is answered 404 everywhere",
                ),
                ("401", Verdict::Undocumented, "a token with an empty `p` is answered 401"),
                ("403", Verdict::Undocumented, "a token with an empty `p` is answered 403"),
                ("200", Verdict::Weakness, "a token with an empty `p` is accepted"),
            ];
            Ok(judge(&outcome(&reply), &known)
                .replied("SELECT with {\"p\":{},\"a\":\"rw\"}", &reply))
        }),
    },
    Probe {
        id: "token-p-per-namespace",
        claim: "One token can read one namespace and write another",
        source: "no document; the server's own tests",
        area: Area::Security,
        why: "It is the only claim that limits a token to several namespaces",
        mitigation: "Mint `p` for such clients; it holds on the server's HTTP port by Host only",
        how: "A token {\"p\":{\"ro\":A,\"rw\":B}} reads A, writes A and writes B",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let reads = context.namespace(&stack, "reads").await?;
            let writes = context.namespace(&stack, "writes").await?;
            let claims = json!({
                "p": { "ro": { "ns": [reads.as_str()] }, "rw": { "ns": [writes.as_str()] } },
            });
            let read = with_claims(&stack, &reads, &claims, READ).await?;
            let refused = with_claims(&stack, &reads, &claims, WRITE).await?;
            let written = with_claims(&stack, &writes, &claims, WRITE).await?;
            let answers =
                format!("{}, {}, {}", outcome(&read), outcome(&refused), outcome(&written));
            let known = [
                (
                    "200, 403, 200",
                    Verdict::Undocumented,
                    "`p` gives one token different rights on different namespaces",
                ),
                (
                    "200, 200, 200",
                    Verdict::Weakness,
                    "a token that may read a namespace writes to it",
                ),
            ];
            Ok(judge(&answers, &known)
                .replied("SELECT where `p` says ro", &read)
                .replied("CREATE TABLE where `p` says ro", &refused)
                .replied("CREATE TABLE where `p` says rw", &written))
        }),
    },
    Probe {
        id: "token-unknown-access-refused",
        claim: "An unknown value of `a` is ignored",
        source: "assumption",
        area: Area::Security,
        why: "If it were ignored, a typo in `a` would make a token for everything",
        mitigation: "Nothing to do: the words are `rw`, `ro` and `roa`",
        how: "A token {\"a\":\"admin\"} reads a namespace",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "unknown").await?;
            let reply = with_claims(&stack, &name, &json!({ "a": "admin" }), READ).await?;
            let known = [
                ("401", Verdict::Undocumented, "a token with an unknown `a` is refused with 401"),
                ("200", Verdict::Weakness, "a token with an unknown `a` is accepted"),
            ];
            Ok(judge(&outcome(&reply), &known).replied("SELECT with {\"a\":\"admin\"}", &reply))
        }),
    },
];

const READ: &str = "SELECT 1";
const WRITE: &str = "CREATE TABLE IF NOT EXISTS t (x)";

/// One statement on the primary with a token of exactly these claims.
async fn with_claims(
    stack: &EphemeralStack,
    name: &NamespaceName,
    claims: &Value,
    sql: &str,
) -> Result<Reply> {
    let token = stack.token_with(claims)?;
    Ok(stack.anonymous("primary", Some(name))?.token(&token).execute(sql).await?)
}
