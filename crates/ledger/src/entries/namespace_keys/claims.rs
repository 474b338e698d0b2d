//! What happens to a namespace's key, and claims that no document names.

use reqwest::Method;
use serde_json::json;

use super::{COUNT, TenantKey, must, open_primary, outcome, with_table};
use crate::{Area, Engines, Error, Observation, Probe, Verdict};
use demo_base::error::Result;
use demo_sqld_client::http::Answer;
use demo_stack::plan::StackPlan;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "tenant-token-elsewhere",
        claim: "A token of a namespace's own key is refused by every namespace without that key",
        source: "sqld issue 500",
        area: Area::Security,
        why: "Tenants who sign their own tokens can put any claim into them",
        mitigation: "Let a proxy refuse /dev/: see dev-path-takes-foreign-key",
        how: "SELECT by Host on A with a token {\"id\": A, \"a\": \"rw\"} of B's own key",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (target, own) =
                (with_table(context, &stack).await?, with_table(context, &stack).await?);
            let key = TenantKey::give(&stack, &own).await?;
            let token = key.token(&json!({ "id": target, "a": "rw" }))?;
            let reply =
                stack.anonymous("primary", Some(&target))?.token(&token).execute(COUNT).await?;
            let finding =
                format!("a token of another namespace's key is answered {}", outcome(&reply));
            let verdict = if reply.succeeded() { Verdict::Weakness } else { Verdict::AsDocumented };
            Ok(Observation::new(verdict, finding)
                .replied("SELECT on A with a token of B's key", &reply))
        }),
    },
    Probe {
        id: "fork-and-own-key",
        claim: "A fork is protected by the key of the namespace that it copies",
        source: "assumption; the Admin API's `jwt_key` and fork",
        area: Area::Security,
        why: "A fork has all the data, so under another key it is open to other people",
        mitigation: "Check the fork's configuration before anyone learns its name",
        how: "Fork of a namespace with a jwt_key; SELECT on the fork with the server's full token \
              and with a token of the original's key",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (name, copy) = (with_table(context, &stack).await?, context.name("keysfork")?);
            let key = TenantKey::give(&stack, &name).await?;
            stack.admin()?.fork(&name, &copy).await?;
            let server = stack.hrana("primary", Some(&copy))?.execute(COUNT).await?;
            let token = key.token(&json!({ "a": "rw" }))?;
            let tenant =
                stack.anonymous("primary", Some(&copy))?.token(&token).execute(COUNT).await?;
            let (verdict, finding) = match (server.succeeded(), tenant.succeeded()) {
                (false, true) => (
                    Verdict::AsDocumented,
                    "a fork takes tokens of the original's key only".to_owned(),
                ),
                (true, false) => (
                    Verdict::Weakness,
                    "a fork forgets the original's key: the server's tokens open it, the tenant's \
                     do not"
                        .to_owned(),
                ),
                (true, true) => (Verdict::Weakness, "a fork takes tokens of both keys".to_owned()),
                (false, false) => (
                    Verdict::Differs,
                    format!("a fork takes no token ({}, {})", outcome(&server), outcome(&tenant)),
                ),
            };
            Ok(Observation::new(verdict, finding)
                .replied("SELECT on the fork with the server's full token", &server)
                .replied("SELECT on the fork with a token of the original's key", &tenant))
        }),
    },
    Probe {
        id: "own-key-gone-after-delete",
        claim: "A namespace that is deleted and created again starts without a key",
        source: "assumption; the Admin API's `jwt_key`",
        area: Area::Security,
        why: "Old tokens of the tenant must not open what somebody else gets under the same name",
        mitigation: "none needed",
        how: "DELETE and create of a namespace with a jwt_key; then a SELECT with the server's \
              full token and with an old token of the tenant's",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = with_table(context, &stack).await?;
            let key = TenantKey::give(&stack, &name).await?;
            stack.admin()?.delete(&name).await?;
            stack.admin()?.create(&name).await?;
            let server = stack.hrana("primary", Some(&name))?.execute("SELECT 1").await?;
            let token = key.token(&json!({ "a": "rw" }))?;
            let tenant =
                stack.anonymous("primary", Some(&name))?.token(&token).execute("SELECT 1").await?;
            let finding = format!(
                "made again, the namespace answers {} to the server's full token and {} to the old \
                 tenant's",
                outcome(&server),
                outcome(&tenant)
            );
            let verdict = match (server.succeeded(), tenant.succeeded()) {
                (true, false) => Verdict::AsDocumented,
                (_, true) => Verdict::Weakness,
                (false, false) => Verdict::Differs,
            };
            Ok(Observation::new(verdict, finding)
                .replied("SELECT with the server's full token", &server)
                .replied("SELECT with the old tenant's token", &tenant))
        }),
    },
    Probe {
        id: "own-key-garbage",
        claim: "A jwt_key that is not a valid key is refused and changes nothing",
        source: "assumption; the Admin API's `jwt_key`",
        area: Area::Security,
        why: "A key that cannot be read may open the namespace or lock it",
        mitigation: "Send what `demo` has parsed as a public key",
        how: "POST config with jwt_key \"garbage\" on a server without a key; then a SELECT \
              without a token",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = open_primary(context).await?;
            let name = with_table(context, &stack).await?;
            let body = json!({ "block_reads": false, "block_writes": false, "jwt_key": "garbage" });
            let path = format!("/v1/namespaces/{name}/config");
            let answer = stack.admin()?.raw(Method::POST, &path, Some(&body)).await?;
            let reply = stack.anonymous("primary", Some(&name))?.execute(COUNT).await?;
            context.discard(&stack).await?;
            let finding = format!(
                "POST config with an invalid key answers {}; the open namespace then answers \
                 {}",
                answer.status,
                outcome(&reply)
            );
            let verdict = match (answer.status, reply.succeeded()) {
                (400..=499, true) => Verdict::AsDocumented,
                (200..=299, true) => Verdict::Weakness,
                _ => Verdict::Undocumented,
            };
            Ok(Observation::new(verdict, finding)
                .answered("POST config with jwt_key \"garbage\"", &answer)
                .replied("SELECT without a token", &reply))
        }),
    },
    Probe {
        id: "config-shows-own-key",
        claim: "GET config shows the key of a namespace",
        source: "assumption; the Admin API's `jwt_key`",
        area: Area::Operations,
        why: "POST config resets what it does not name, so a key that cannot be read cannot be \
              kept",
        mitigation: "Keep the public keys of your namespaces elsewhere as well",
        how: "GET config after POST config with a jwt_key",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = with_table(context, &stack).await?;
            TenantKey::give(&stack, &name).await?;
            let config = stack.admin()?.config(&name).await?;
            let key = config.get("jwt_key").and_then(serde_json::Value::as_str);
            Ok(Observation::either(
                key.is_some_and(|key| !key.is_empty()),
                (Verdict::Undocumented, "GET config shows the namespace's key"),
                (Verdict::Differs, "GET config does not show the namespace's key"),
            )
            .saw("GET config, jwt_key", key.unwrap_or("not there")))
        }),
    },
    Probe {
        id: "tag-claim-opens-all-namespaces",
        claim: "The `tags` of a `p` claim open only the namespaces that it names",
        source: "no document; only in the source",
        area: Area::Security,
        why: "With LIBSQL_GID set, one word in a token stands for every namespace of the server",
        mitigation: "Do not set LIBSQL_GID; never copy `tags` from a request into a token",
        how: "LIBSQL_GID=crew: CREATE TABLE on a new namespace with \
              {\"p\":{\"rw\":{\"tags\":[..]}}}, once with \"crew\" and once with another word",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let named = |plan: &mut StackPlan| {
                for service in &mut plan.services {
                    service.environment.insert("LIBSQL_GID".to_owned(), "crew".to_owned());
                }
                Ok(())
            };
            let stack = context.primary(named).await?;
            let name = context.namespace(&stack, "keys").await?;
            let mut replies = Vec::new();
            for word in ["crew", "other"] {
                let token = stack.token_with(&json!({ "p": { "rw": { "tags": [word] } } }))?;
                let hrana = stack.anonymous("primary", Some(&name))?.token(&token);
                replies.push(hrana.execute(&format!("CREATE TABLE {word} (x)")).await?);
            }
            context.discard(&stack).await?;
            let [right, wrong] = replies.as_slice() else {
                return Err(Error::experiment("two tags were tried").into());
            };
            let verdict = if right.succeeded() { Verdict::Weakness } else { Verdict::AsDocumented };
            let finding = format!(
                "a token that names no namespace but the server's LIBSQL_GID as a tag is answered \
                 {} when it writes; with another tag {}",
                outcome(right),
                outcome(wrong)
            );
            Ok(Observation::new(verdict, finding)
                .replied("CREATE TABLE with the tag crew", right)
                .replied("CREATE TABLE with the tag other", wrong))
        }),
    },
    Probe {
        id: "ddl-claim-on-shared-schema",
        claim: "A token for everything may change the schema of a child of a shared schema",
        source: "no document; only in the source",
        area: Area::Security,
        why: "Only the undocumented `ddl` claim may, and it brings the right to write with it",
        mitigation: "Mint {\"p\":{\"ddl\":{\"ns\":[..]}}} for those who need it; otherwise change \
                     the schema on the parent",
        how: "CREATE TABLE on a child with the tokens {} and {\"p\":{\"ddl\":{\"ns\":[child]}}}, \
              and an INSERT with the latter",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let (parent, child) = (context.name("keysparent")?, context.name("keyschild")?);
            let admin = stack.admin()?;
            for (name, body) in [
                (&parent, json!({ "shared_schema": true })),
                (&child, json!({ "shared_schema_name": parent })),
            ] {
                let path = format!("/v1/namespaces/{name}/create");
                made(&admin.raw(Method::POST, &path, Some(&body)).await?)?;
            }
            let parent_hrana = stack.hrana("primary", Some(&parent))?;
            must(&parent_hrana.execute("SELECT 1").await?)?;
            let with = |claims: &serde_json::Value| {
                let token = stack.token_with(claims)?;
                Ok::<_, anyhow::Error>(stack.anonymous("primary", Some(&child))?.token(&token))
            };
            let full = with(&json!({}))?.execute("CREATE TABLE by_full (x)").await?;
            let holder = with(&json!({ "p": { "ddl": { "ns": [child] } } }))?;
            let ddl = holder.execute("CREATE TABLE by_ddl (x)").await?;
            let write = holder.execute("INSERT INTO by_ddl VALUES (1)").await?;
            context.discard(&stack).await?;
            let verdict = match (full.succeeded(), ddl.succeeded()) {
                (true, _) => Verdict::AsDocumented,
                (false, true) => Verdict::Undocumented,
                (false, false) => Verdict::Differs,
            };
            let finding = format!(
                "CREATE TABLE on a child of a shared schema is answered {} with a full token and \
                 {} with the `ddl` claim, an INSERT with the latter {}",
                outcome(&full),
                outcome(&ddl),
                outcome(&write)
            );
            Ok(Observation::new(verdict, finding)
                .replied("CREATE TABLE with {}", &full)
                .replied("CREATE TABLE with the ddl claim", &ddl)
                .replied("INSERT with the ddl claim", &write))
        }),
    },
];

fn made(answer: &Answer) -> Result<(), Error> {
    if answer.status == 200 {
        return Ok(());
    }
    let seen = format!("{} {}", answer.status, answer.excerpt());
    Err(Error::experiment_saw("the namespace cannot be made", seen))
}
