//! Names of namespaces: how a request says which, and what may be one.

mod paths;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use futures::FutureExt;
use reqwest::header::{AUTHORIZATION, HOST};
use secrecy::ExposeSecret;
use serde_json::json;

use super::tokens::answers::judge;
use crate::engine::ephemeral::EphemeralStack;
use crate::error::Result;
use crate::plan::Interface;
use crate::probe::{Area, Engines, Lab, Observation, Probe, Verdict};
use crate::server::http::Answer;

pub(super) const PROBES: &[Probe] = &[
    ENUMERATION,
    X_NAMESPACE,
    X_NAMESPACE_BIN,
    ANY_DOMAIN,
    UPPER_CASE,
    paths::UNCHECKED,
    paths::TRAVERSAL,
    paths::TRAVERSAL_WITHOUT_TOKEN,
    paths::TOO_LONG,
    paths::LOADED_WITHOUT_TOKEN,
];

const ENUMERATION: Probe = Probe {
    id: "namespaces-told-without-token",
    claim: "Without a token a server does not tell which namespaces there are",
    source: "seed 001, \"the server will reject their connection with 401\" (P70)",
    area: Area::Security,
    why: "Namespaces are often named after customers: anybody can try the names",
    mitigation: "Give namespaces names that cannot be guessed",
    how: "A SELECT without a token on a namespace that exists and on one that does not",
    engines: Engines::Both,
    check: |lab| enumeration(lab).boxed_local(),
};

const X_NAMESPACE: Probe = Probe {
    id: "x-namespace-header-ignored",
    claim: "The header x-namespace chooses the namespace",
    source: "seed 001, \"HTTP Header\"; libsql crate, Builder::namespace()",
    area: Area::HttpAndSql,
    why: "A client that relies on it reads and writes the database of the host's first label",
    mitigation: "Use NAME.HOST in the URL, or the header x-namespace-bin",
    how: "x-namespace names one namespace and Host another: whose row is read?",
    engines: Engines::Both,
    check: |lab| header(lab, "x-namespace").boxed_local(),
};

const X_NAMESPACE_BIN: Probe = Probe {
    id: "x-namespace-bin-beats-host",
    claim: "The host name chooses the namespace",
    source: "docs/USER_GUIDE, Namespaces; seed 001, \"Subdomain Method\"",
    area: Area::Security,
    why: "A proxy that checks host names does not see which database is meant",
    mitigation: "Let the proxy remove x-namespace-bin",
    how: "x-namespace-bin names one namespace and Host another: whose row is read?",
    engines: Engines::Both,
    check: |lab| header(lab, "x-namespace-bin").boxed_local(),
};

const ANY_DOMAIN: Probe = Probe {
    id: "any-domain-names-a-namespace",
    claim: "Only hosts of the server's own domain name a namespace",
    source: "docs/USER_GUIDE, Namespaces; seed 001, \"Subdomain Method\"",
    area: Area::Security,
    why: "Any domain that leads to the server reaches every database: DNS rebinding works",
    mitigation: "Let a proxy answer for its own host names only",
    how: "A SELECT with Host NAME.elsewhere.invalid",
    engines: Engines::Both,
    check: |lab| any_domain(lab).boxed_local(),
};

const UPPER_CASE: Probe = Probe {
    id: "host-names-in-upper-case",
    claim: "NAME.localhost and name.localhost are the same host",
    source: "RFC 4343",
    area: Area::HttpAndSql,
    why: "Clients that lower host names cannot reach a namespace with a capital letter",
    mitigation: "Name namespaces with a-z, 0-9 and - only; `demo` takes no others",
    how: "A SELECT on a namespace by its name in capital letters",
    engines: Engines::Both,
    check: |lab| upper_case(lab).boxed_local(),
};

/// A SELECT on the primary with these headers and a token for everything.
async fn select(
    lab: &Lab<'_>,
    stack: &EphemeralStack,
    host: &str,
    extra: Option<(&str, &str)>,
    sql: &str,
) -> Result<Answer> {
    let base = format!("http://{}", stack.address("primary", Interface::Http)?);
    let token = stack.full_token()?;
    let body = json!({ "requests": [{ "type": "execute", "stmt": { "sql": sql } }] });
    let mut request = lab
        .http()
        .post(format!("{base}/v2/pipeline"))
        .json(&body)
        .header(HOST, host)
        .header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
    if let Some((name, value)) = extra {
        request = request.header(name, value);
    }
    Answer::to(request, &base).await
}

async fn enumeration(lab: &Lab<'_>) -> Result<Observation> {
    let stack = lab.namespaced().await?;
    let there = lab.namespace(&stack, "customer").await?;
    let missing = lab.name("customer")?;
    let there = stack.anonymous("primary", Some(&there))?.execute("SELECT 1").await?;
    let missing = stack.anonymous("primary", Some(&missing))?.execute("SELECT 1").await?;
    let known = [
        (
            "401 and 404",
            Verdict::Weakness,
            "without a token a namespace that exists is answered 401, a missing one 404",
        ),
        ("401 and 401", Verdict::AsDocumented, "without a token every namespace is answered 401"),
    ];
    Ok(judge(&format!("{} and {}", there.status, missing.status), &known)
        .replied("SELECT without a token where a namespace is", &there)
        .replied("SELECT without a token where none is", &missing))
}

/// Which of two namespaces answers: that of the header, or that of the host.
async fn header(lab: &Lab<'_>, header: &str) -> Result<Observation> {
    let stack = lab.namespaced().await?;
    let by_host = lab.namespace(&stack, "byhost").await?;
    let by_header = lab.namespace(&stack, "byheader").await?;
    for (name, row) in [(&by_host, "row-of-the-host"), (&by_header, "row-of-the-header")] {
        let hrana = stack.hrana("primary", Some(name))?;
        hrana.execute("CREATE TABLE t (x)").await?;
        hrana.execute(&format!("INSERT INTO t VALUES ('{row}')")).await?;
    }
    let binary = header.ends_with("-bin");
    let value =
        if binary { STANDARD_NO_PAD.encode(by_header.as_str()) } else { by_header.to_string() };
    let host = format!("{by_host}.localhost");
    let extra = Some((header, value.as_str()));
    let answer = select(lab, &stack, &host, extra, "SELECT x FROM t").await?;
    let seen = match answer.body.as_str() {
        body if body.contains("row-of-the-host") => "host".to_owned(),
        body if body.contains("row-of-the-header") => "header".to_owned(),
        _ => answer.status.to_string(),
    };
    let known = if binary {
        [
            ("host", Verdict::AsDocumented, "the host beats the header x-namespace-bin"),
            ("header", Verdict::Undocumented, "the header x-namespace-bin beats the host"),
        ]
    } else {
        [
            ("host", Verdict::Differs, "the header x-namespace is ignored: the host counts"),
            ("header", Verdict::AsDocumented, "the header x-namespace beats the host"),
        ]
    };
    Ok(judge(&seen, &known)
        .answered(format!("SELECT with Host: {host}, {header}: {by_header}"), &answer))
}

async fn any_domain(lab: &Lab<'_>) -> Result<Observation> {
    let stack = lab.namespaced().await?;
    let name = lab.namespace(&stack, "domain").await?;
    let host = format!("{name}.elsewhere.invalid");
    let answer = select(lab, &stack, &host, None, "SELECT 1").await?;
    let known = [
        ("200", Verdict::Undocumented, "the first label of any host name names the namespace"),
        ("404", Verdict::AsDocumented, "a host of another domain is answered 404"),
        ("400", Verdict::AsDocumented, "a host of another domain is answered 400"),
    ];
    Ok(judge(&answer.status.to_string(), &known)
        .answered(format!("SELECT with Host: {host}"), &answer))
}

async fn upper_case(lab: &Lab<'_>) -> Result<Observation> {
    let stack = lab.namespaced().await?;
    let name = lab.namespace(&stack, "capital").await?;
    let host = format!("{}.localhost", name.as_str().to_uppercase());
    let answer = select(lab, &stack, &host, None, "SELECT 1").await?;
    let known = [
        ("404", Verdict::Differs, "a host name in capital letters names another namespace: 404"),
        ("200", Verdict::AsDocumented, "capital letters in a host name do not matter"),
    ];
    Ok(judge(&answer.status.to_string(), &known)
        .answered(format!("SELECT with Host: {host}"), &answer))
}
