//! Who may read one namespace from another with ATTACH.

use serde_json::{Map, Value, json};

use super::{COUNT, must, outcome, with_table};
use crate::{Area, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::hrana::Reply;
use demo_sqld_client::proto::{ExecuteStreamReq, Stmt, StreamRequest};
use demo_stack::engine::ephemeral::EphemeralStack;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "attach-off-by-default",
        claim: "ATTACH reaches no namespace that does not allow it",
        source: "issue 1634 and pull request 784",
        area: Area::Security,
        why: "ATTACH crosses the boundary between namespaces",
        mitigation: "Leave allow_attach off",
        how: "ATTACH and SELECT with the token {\"a\":\"roa\"}, allow_attach being off",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let names = pair(context, &stack, false).await?;
            let reply = attach(&stack, &names, &json!({ "a": "roa" }), SELECT).await?;
            let verdict =
                if reply.body.contains(ROW) { Verdict::Weakness } else { Verdict::AsDocumented };
            let finding = format!("ATTACH of a namespace that does not allow it: {}", read(&reply));
            Ok(Observation::new(verdict, finding).replied("ATTACH with {\"a\":\"roa\"}", &reply))
        }),
    },
    Probe {
        id: "attach-refused-to-full-access",
        claim: "A token for everything may ATTACH where it is allowed",
        source: "issue 1634 and pull request 784",
        area: Area::HttpAndSql,
        why: "ATTACH appears not to work at all",
        mitigation: "Mint a token with `roa` or `rwa`: see attach-needs-its-own-right",
        how: "allow_attach on: ATTACH and SELECT with the tokens {}, {\"a\":\"rw\"} and \
              {\"p\":{\"rw\":{\"ns\":[A,B]}}}",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let names = pair(context, &stack, true).await?;
            let both = json!({ "p": { "rw": { "ns": [names.0, names.1] } } });
            let tokens =
                [("{}", json!({})), ("`a`: rw", json!({ "a": "rw" })), ("`p`: rw on both", both)];
            let (texts, replies) = try_tokens(&stack, &names, &tokens).await?;
            let all = replies.iter().all(|reply| reply.body.contains(ROW));
            let verdict = if all { Verdict::AsDocumented } else { Verdict::Differs };
            Ok(told(verdict, &texts, &tokens, &replies))
        }),
    },
    Probe {
        id: "attach-needs-its-own-right",
        claim: "The rights `roa` and `rwa` are what ATTACH needs",
        source: "issue 1634 and pull request 784",
        area: Area::HttpAndSql,
        why: "No guide mentions them",
        mitigation: "{\"p\":{\"rw\":{\"ns\":[A]},\"roa\":{\"ns\":[B]}}} writes A and attaches B",
        how: "allow_attach on: ATTACH and SELECT with {\"a\":\"roa\"}, with `rw` on A and `roa` on \
              B, and with `rwa` on both",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let names = pair(context, &stack, true).await?;
            let mixed = json!({ "p": { "rw": { "ns": [names.0] }, "roa": { "ns": [names.1] } } });
            let both = json!({ "p": { "rwa": { "ns": [names.0, names.1] } } });
            let tokens = [
                ("`a`: roa", json!({ "a": "roa" })),
                ("`p`: rw on A, roa on B", mixed),
                ("`p`: rwa on both", both),
            ];
            let (texts, replies) = try_tokens(&stack, &names, &tokens).await?;
            let all = replies.iter().all(|reply| reply.body.contains(ROW));
            let verdict = if all { Verdict::Undocumented } else { Verdict::Differs };
            Ok(told(verdict, &texts, &tokens, &replies))
        }),
    },
    Probe {
        id: "attached-is-read-only",
        claim: "An attached namespace can only be read, whatever the token says",
        source: "issue 1634 and pull request 784",
        area: Area::Security,
        why: "A write would not be replicated and would bypass every right on the namespace",
        mitigation: "none needed",
        how: "allow_attach on: ATTACH and INSERT into the attached namespace with `rwa` on both",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let names = pair(context, &stack, true).await?;
            let claims = json!({ "p": { "rwa": { "ns": [names.0, names.1] } } });
            let insert = "INSERT INTO attached.t VALUES ('through the other')";
            let reply = attach(&stack, &names, &claims, insert).await?;
            let rows = stack.hrana("primary", Some(&names.1))?.execute(COUNT).await?;
            must(&rows)?;
            let written = rows.scalar() != Some("1");
            let finding = match (reply.succeeded(), written) {
                (_, true) => "a write to an attached namespace is made".to_owned(),
                (true, false) => "a write to an attached namespace is refused".to_owned(),
                (false, false) => format!("ATTACH itself fails ({})", outcome(&reply)),
            };
            let verdict = match (reply.succeeded(), written) {
                (_, true) => Verdict::Weakness,
                (true, false) => Verdict::AsDocumented,
                (false, false) => Verdict::Differs,
            };
            Ok(Observation::new(verdict, finding)
                .saw("ATTACH, then INSERT into the attached namespace", second(&reply))
                .replied("rows of the attached namespace", &rows))
        }),
    },
];

/// Text that only the attached namespace has.
const ROW: &str = "row-71c2-of-the-attached-one";

/// Two namespaces; the second has a row and may be attached, if `allowed`.
async fn pair(
    context: &ProbeContext<'_>,
    stack: &EphemeralStack,
    allowed: bool,
) -> Result<(NamespaceName, NamespaceName)> {
    let (host, other) = (with_table(context, stack).await?, with_table(context, stack).await?);
    let insert = format!("INSERT INTO t VALUES ('{ROW}')");
    must(&stack.hrana("primary", Some(&other))?.execute(&insert).await?)?;
    if allowed {
        let change = Map::from_iter([("allow_attach".to_owned(), Value::Bool(true))]);
        stack.admin()?.configure(&other, change).await?;
    }
    Ok((host, other))
}

/// Attaches `other` and runs `sql` on it in the same stream.
async fn attach(
    stack: &EphemeralStack,
    (host, other): &(NamespaceName, NamespaceName),
    claims: &Value,
    sql: &str,
) -> Result<Reply> {
    let token = stack.token_with(claims)?;
    let execute =
        |sql: &str| StreamRequest::Execute(ExecuteStreamReq { stmt: Stmt::new(sql, true) });
    let attach = format!("ATTACH DATABASE \"{other}\" AS attached");
    let hrana = stack.anonymous("primary", Some(host))?.token(&token);
    Ok(hrana.requests(vec![execute(&attach), execute(sql)]).await?)
}

/// What an ATTACH and a SELECT came to, in words that are the same in every run.
fn read(reply: &Reply) -> String {
    if reply.body.contains(ROW) {
        "reads".to_owned()
    } else if reply.succeeded() {
        "attaches without reading".to_owned()
    } else {
        outcome(reply)
    }
}

const SELECT: &str = "SELECT x FROM attached.t";

type Token = (&'static str, Value);

async fn try_tokens(
    stack: &EphemeralStack,
    names: &(NamespaceName, NamespaceName),
    tokens: &[Token],
) -> Result<(Vec<String>, Vec<Reply>)> {
    let (mut texts, mut replies) = (Vec::new(), Vec::new());
    for (label, claims) in tokens {
        let reply = attach(stack, names, claims, SELECT).await?;
        texts.push(format!("{label}: {}", read(&reply)));
        replies.push(reply);
    }
    Ok((texts, replies))
}

fn told(verdict: Verdict, texts: &[String], tokens: &[Token], replies: &[Reply]) -> Observation {
    let finding = format!("ATTACH where it is allowed: {}", texts.join("; "));
    let observation = Observation::new(verdict, finding);
    tokens.iter().zip(replies).fold(observation, |observation, ((label, _), reply)| {
        observation.replied(format!("ATTACH and SELECT with {label}"), reply)
    })
}

/// The part of the answer that is about the second statement.
fn second(reply: &Reply) -> String {
    let json: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    json.pointer("/results/1").map_or_else(|| reply.describe(), Value::to_string)
}
