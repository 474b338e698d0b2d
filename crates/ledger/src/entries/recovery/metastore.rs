//! Probes of the metastore, which holds the namespaces and their configuration.

use std::rc::Rc;

use secrecy::SecretString;
use serde_json::json;

use super::fixtures::{
    Boot, ON_FILES, ask, boot, boot_with, create, data_dir, folder_of, given, log_line, outcome,
};
use crate::{Area, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld::keys::SigningKey;
use demo_sqld::namespace::NamespaceName;
use demo_sqld::token;
use demo_sqld_client::hrana::Reply;
use demo_stack::engine::Stop;
use demo_stack::engine::ephemeral::EphemeralStack;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "metastore-lost",
        claim: "Namespaces outlive the loss of the metastore, with the rights that they had",
        source: "sqld --help, --allow-metastore-recovery",
        area: Area::Security,
        why: "A restore of dbs/ alone loses every namespace, and bringing one back opens it to the \
              server's own key",
        mitigation: "Back up metastore/ together with dbs/, and set jwt_key again after a recovery",
        how: "Gives a namespace a key of its own, stops the primary, removes metastore/, starts \
              it, queries, creates the namespace again and queries with a token of the server's \
              key",
        engines: ON_FILES,
        check: &Probe::check(async |context| {
            let (stack, name, token) = with_key(context).await?;
            let [before, _] = both(&stack, &name, &token).await?;
            lose(&stack).await?;
            stack.resume("primary").await?;
            let gone = ask(&stack, &name, READ).await?;
            let there = folder_of(&stack, "tenant")?.join("data").exists();
            let created = create(&stack, &name, &json!({})).await?;
            let [server, tenant] = both(&stack, &name, &token).await?;
            context.discard(&stack).await?;
            let opened = !before.succeeded() && server.scalar() == Some("kept");
            let verdict = match (opened, gone.succeeded()) {
                (false, true) => Verdict::AsDocumented,
                _ => Verdict::Weakness,
            };
            let finding = format!(
                "a query is answered {} and its files are {}; a creation is answered {} and then \
                 the server's key {}, the namespace's own {}",
                outcome(&gone),
                if there { "there" } else { "gone" },
                created.status,
                opens(&server),
                opens(&tenant)
            );
            Ok(Observation::new(verdict, finding)
                .replied("the server's key, before", &before)
                .replied("the server's key, without metastore/", &gone)
                .answered("POST /v1/namespaces/tenant/create", &created)
                .replied("the server's key, afterwards", &server)
                .replied("the namespace's own key, afterwards", &tenant))
        }),
    },
    Probe {
        id: "metastore-recovery-drops-keys",
        claim: "--allow-metastore-recovery recovers the configuration of namespaces",
        source: "sqld --help, --allow-metastore-recovery",
        area: Area::Security,
        why: "A recovery silently replaces a tenant's own key by the server's",
        mitigation: "Back up metastore/, and set jwt_key again after a recovery",
        how: "Gives a namespace a key of its own, stops the primary, removes metastore/, starts it \
              with the flag and queries with a token of the server's key",
        engines: ON_FILES,
        check: &Probe::check(async |context| {
            let (stack, name, token) = with_key(context).await?;
            let [before, _] = both(&stack, &name, &token).await?;
            lose(&stack).await?;
            let flag = "--allow-metastore-recovery".to_owned();
            if boot_with(&stack, |service| service.command.push(flag)).await? == Boot::Ended {
                return Err(Error::experiment("the primary does not start with the flag").into());
            }
            let [server, tenant] = both(&stack, &name, &token).await?;
            context.discard(&stack).await?;
            let verdict = match (server.succeeded(), tenant.succeeded()) {
                (false, true) => Verdict::AsDocumented,
                (true, _) if !before.succeeded() => Verdict::Weakness,
                _ => Verdict::Differs,
            };
            let finding = format!(
                "after a recovery the server's key {}, the namespace's own {}",
                opens(&server),
                opens(&tenant)
            );
            Ok(Observation::new(verdict, finding)
                .replied("the server's key, before", &before)
                .replied("the server's key, after the recovery", &server)
                .replied("the namespace's own key, after the recovery", &tenant))
        }),
    },
    Probe {
        id: "metastore-corrupt",
        claim: "A server whose metastore is damaged says so",
        source: "assumption",
        area: Area::Lifecycle,
        why: "One damaged file makes every namespace unavailable",
        mitigation: "Restore metastore/ from a backup",
        how: "Stops the primary, fills metastore/data with garbage and starts it",
        engines: ON_FILES,
        check: &Probe::check(async |context| {
            let (stack, name) = damaged(context).await?;
            let start = boot(&stack).await?;
            let line = log_line(&stack, "not a database").await?;
            let observation = match start {
                Boot::Ended => {
                    Observation::new(Verdict::AsDocumented, "the server ends at its start")
                }
                Boot::Ready => {
                    let reply = ask(&stack, &name, READ).await?;
                    let finding =
                        format!("the server starts; a query is answered {}", outcome(&reply));
                    Observation::new(Verdict::Weakness, finding).replied(READ, &reply)
                }
            };
            context.discard(&stack).await?;
            Ok(observation
                .saw("a start with garbage in metastore/data", format!("{start:?}: {line}")))
        }),
    },
    Probe {
        id: "metastore-destroy-on-error",
        claim: "--meta-store-destroy-on-error brings a server with a damaged metastore back up",
        source: "sqld --help, --meta-store-destroy-on-error",
        area: Area::Lifecycle,
        why: "The flag looks like a remedy, but it affects the registry of all namespaces",
        mitigation: "Restore metastore/ from a backup instead",
        how: "As metastore-corrupt, with the flag; then queries the namespace that there was",
        engines: ON_FILES,
        check: &Probe::check(async |context| {
            let (stack, name) = damaged(context).await?;
            let flag = "--meta-store-destroy-on-error".to_owned();
            let start = boot_with(&stack, |service| service.command.push(flag)).await?;
            let observation = match start {
                Boot::Ended => Observation::new(
                    Verdict::Differs,
                    "the server ends at its start with the flag too",
                )
                .saw("its log", log_line(&stack, "not a database").await?),
                Boot::Ready => {
                    let reply = ask(&stack, &name, READ).await?;
                    let there = folder_of(&stack, "tenant")?.join("data").exists();
                    let finding = format!(
                        "the server starts; a namespace that there was is answered {}, its files \
                         are {}",
                        outcome(&reply),
                        if there { "there" } else { "gone" }
                    );
                    let verdict =
                        if reply.succeeded() { Verdict::AsDocumented } else { Verdict::Weakness };
                    Observation::new(verdict, finding).replied(READ, &reply)
                }
            };
            context.discard(&stack).await?;
            Ok(observation.saw("a start with the flag", format!("{start:?}")))
        }),
    },
];

const READ: &str = "SELECT x FROM t";

/// A primary with a namespace that trusts a key of its own, and a token of that key.
async fn with_key(
    context: &ProbeContext<'_>,
) -> Result<(Rc<EphemeralStack>, NamespaceName, SecretString)> {
    let stack = context.primary(|_| Ok(())).await?;
    let name: NamespaceName = "tenant".parse()?;
    let key = SigningKey::generate()?;
    let made = create(&stack, &name, &json!({ "jwt_key": key.public().to_pem() })).await?;
    let token = token::mint(&key, &json!({ "a": "rw" }))?;
    let tenant = stack.anonymous("primary", Some(&name))?.token(&token);
    for sql in ["CREATE TABLE t (x)", "INSERT INTO t VALUES ('kept')"] {
        let reply = tenant.execute(sql).await?;
        if !reply.succeeded() {
            let said = format!("{} {}, {}", made.status, made.excerpt(), reply.describe());
            return Err(Error::experiment_saw("a namespace with a key of its own", said).into());
        }
    }
    Ok((stack, name, token))
}

/// With the server's own key, then with the namespace's.
async fn both(
    stack: &EphemeralStack,
    name: &NamespaceName,
    token: &SecretString,
) -> Result<[Reply; 2]> {
    let tenant = stack.anonymous("primary", Some(name))?.token(token);
    Ok([ask(stack, name, READ).await?, tenant.execute(READ).await?])
}

async fn lose(stack: &EphemeralStack) -> Result<()> {
    stack.engine.stop("primary", Stop::Graceful).await?;
    Ok(std::fs::remove_dir_all(data_dir(stack)?.join("metastore"))?)
}

fn opens(reply: &Reply) -> String {
    match reply.scalar() {
        Some("kept") => "opens it with its rows".to_owned(),
        _ => format!("is answered {}", outcome(reply)),
    }
}

/// A stopped primary with a namespace and a metastore that is not a database.
async fn damaged(context: &ProbeContext<'_>) -> Result<(Rc<EphemeralStack>, NamespaceName)> {
    let stack = context.primary(|_| Ok(())).await?;
    let name: NamespaceName = "tenant".parse()?;
    stack.admin()?.create(&name).await?;
    given(&stack, &name, &["CREATE TABLE t (x)", "INSERT INTO t VALUES ('kept')"]).await?;
    stack.engine.stop("primary", Stop::Graceful).await?;
    let file = data_dir(&stack)?.join("metastore").join("data");
    std::fs::write(file, b"this is no database ".repeat(400))?;
    Ok((stack, name))
}
