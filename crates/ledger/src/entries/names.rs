//! Names of namespaces: how a request selects one, and which names are valid.

pub(super) mod paths;

use reqwest::header::{AUTHORIZATION, HOST};
use secrecy::ExposeSecret;
use serde_json::json;

use super::tokens::answers::judge;
use crate::{Area, Engines, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld_client::http::Answer;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "namespaces-told-without-token",
        claim: "Without a token the server does not reveal which namespaces exist",
        source: "the Configuration Guide article, \"the server will reject their connection with \
                 401\"",
        area: Area::Security,
        why: "Namespaces are often named after customers, and anyone can try names",
        mitigation: "Give namespaces names that cannot be guessed",
        how: "A SELECT without a token on a namespace that exists and on one that does not",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let there = context.namespace(&stack, "customer").await?;
            let missing = context.name("customer")?;
            let there = stack.anonymous("primary", Some(&there))?.execute("SELECT 1").await?;
            let missing = stack.anonymous("primary", Some(&missing))?.execute("SELECT 1").await?;
            let known = [
                (
                    "401 and 404",
                    Verdict::Weakness,
                    "without a token a namespace that exists is answered 401, a missing one 404",
                ),
                (
                    "401 and 401",
                    Verdict::AsDocumented,
                    "without a token every namespace is answered 401",
                ),
            ];
            Ok(judge(&format!("{} and {}", there.status, missing.status), &known)
                .replied("SELECT without a token where a namespace is", &there)
                .replied("SELECT without a token where none is", &missing))
        }),
    },
    Probe {
        id: "any-domain-names-a-namespace",
        claim: "Only host names of the server's own domain select a namespace",
        source: "docs/USER_GUIDE, Namespaces; the Configuration Guide article, \"Subdomain \
                 Method\"",
        area: Area::Security,
        why: "Any domain that resolves to the server reaches every database: DNS rebinding works",
        mitigation: "Let a proxy answer for its own host names only",
        how: "A SELECT with Host NAME.elsewhere.invalid",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "domain").await?;
            let host = format!("{name}.elsewhere.invalid");
            let answer = select(context, &stack, &host, None, "SELECT 1").await?;
            let known = [
                (
                    "200",
                    Verdict::Undocumented,
                    "the first label of any host name names the namespace",
                ),
                ("404", Verdict::AsDocumented, "a host of another domain is answered 404"),
                ("400", Verdict::AsDocumented, "a host of another domain is answered 400"),
            ];
            Ok(judge(&answer.status.to_string(), &known)
                .answered(format!("SELECT with Host: {host}"), &answer))
        }),
    },
    Probe {
        id: "host-names-in-upper-case",
        claim: "NAME.localhost and name.localhost are the same host",
        source: "RFC 4343",
        area: Area::HttpAndSql,
        why: "Clients that lower host names cannot reach a namespace with a capital letter",
        mitigation: "Name namespaces with a-z, 0-9 and - only; `demo` takes no others",
        how: "A SELECT on a namespace by its name in capital letters",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "capital").await?;
            let host = format!("{}.localhost", name.as_str().to_uppercase());
            let answer = select(context, &stack, &host, None, "SELECT 1").await?;
            let known = [
                (
                    "404",
                    Verdict::Differs,
                    "a host name in capital letters names another namespace: 404",
                ),
                ("200", Verdict::AsDocumented, "capital letters in a host name do not matter"),
            ];
            Ok(judge(&answer.status.to_string(), &known)
                .answered(format!("SELECT with Host: {host}"), &answer))
        }),
    },
];

/// A SELECT on the primary with these headers and a token for everything.
async fn select(
    context: &ProbeContext<'_>,
    stack: &EphemeralStack,
    host: &str,
    extra: Option<(&str, &str)>,
    sql: &str,
) -> Result<Answer> {
    let base = format!("http://{}", stack.address("primary", Interface::Http)?);
    let token = stack.full_token()?;
    let body = json!({ "requests": [{ "type": "execute", "stmt": { "sql": sql } }] });
    let mut request = context
        .http()
        .post(format!("{base}/v2/pipeline"))
        .json(&body)
        .header(HOST, host)
        .header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
    if let Some((name, value)) = extra {
        request = request.header(name, value);
    }
    Ok(Answer::to(request, &base).await?)
}
