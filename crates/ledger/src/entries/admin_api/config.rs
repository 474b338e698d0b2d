//! The configuration of a namespace, and what is lost on the way.

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HOST};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::super::tokens::answers::{judge, outcome};
use crate::{Area, Engines, Error, Observation, Probe, Verdict};
use demo_base::error::Result;
use demo_sqld::keys::SigningKey;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::http::Answer;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "config-post-resets-the-rest",
        claim: "A POST to config changes the fields that it names",
        source: "assumption; docs/ADMIN_API, config",
        area: Area::Security,
        why: "Blocking writes for a minute removes the namespace's own key, so the server's key, \
              or none, applies again",
        mitigation: "GET the configuration first and send all of it back; `demo` does",
        how: "All fields are set, then only block_reads and block_writes are sent",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "config").await?;
            let all = json!({
                "block_reads": false, "block_writes": false, "block_reason": "because",
                "allow_attach": true, "txn_timeout_s": 7, "max_db_size": 1_048_576,
                "durability_mode": "strong",
                "jwt_key": SigningKey::generate()?.public().to_pem(),
            });
            let fresh = stack.admin()?.config(&name).await?;
            set(&stack, &name, &all).await?;
            let before = stack.admin()?.config(&name).await?;
            set(&stack, &name, &json!({ "block_reads": false, "block_writes": false })).await?;
            let after = stack.admin()?.config(&name).await?;

            let changed = |one: &Map<String, Value>, other: &Map<String, Value>| {
                let names = one.iter().filter(|(field, value)| other.get(*field) != Some(*value));
                names.map(|(field, _)| field.as_str()).collect::<Vec<_>>().join(", ")
            };
            let (set, lost) = (changed(&before, &fresh), changed(&before, &after));
            let observation = if lost.is_empty() {
                Observation::new(
                    Verdict::AsDocumented,
                    "a POST to config leaves what it does not name",
                )
            } else {
                let finding = format!("a POST to config resets what it does not name: {lost}");
                Observation::new(Verdict::Weakness, finding)
            };
            Ok(observation
                .saw("differs from a fresh namespace after a POST of all fields", set)
                .saw("changed by a POST of {block_reads, block_writes}", lost))
        }),
    },
    Probe {
        id: "config-needs-both-block-fields",
        claim: "Every field of a POST to config is optional",
        source: "assumption",
        area: Area::Operations,
        why: "A script that sends one field is refused",
        mitigation: "Always send block_reads and block_writes",
        how: "A POST of {\"block_reads\":false}",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "required").await?;
            let one = post(&stack, &name, &json!({ "block_reads": false })).await?;
            let other = post(&stack, &name, &json!({ "block_writes": false })).await?;
            let known = [
                (
                    "422 and 422",
                    Verdict::Undocumented,
                    "a POST to config without block_reads or block_writes is answered 422",
                ),
                ("200 and 200", Verdict::AsDocumented, "a POST to config may leave fields out"),
            ];
            Ok(judge(&format!("{} and {}", one.status, other.status), &known)
                .answered("POST without block_writes", &one)
                .answered("POST without block_reads", &other))
        }),
    },
    Probe {
        id: "config-ignores-unknown-fields",
        claim: "A field that config does not know is refused",
        source: "assumption",
        area: Area::Operations,
        why: "A typo, such as `block_write`, passes for success",
        mitigation: "GET the configuration afterwards and compare",
        how: "A POST with block_wirtes beside what is required",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "typo").await?;
            let config =
                json!({ "block_reads": false, "block_writes": false, "block_wirtes": true });
            let answer = post(&stack, &name, &config).await?;
            let known = [
                ("200", Verdict::Undocumented, "a field that config does not know is ignored: 200"),
                ("422", Verdict::AsDocumented, "a field that config does not know is answered 422"),
                ("400", Verdict::AsDocumented, "a field that config does not know is answered 400"),
            ];
            Ok(judge(&answer.status.to_string(), &known)
                .answered("POST with block_wirtes", &answer))
        }),
    },
    Probe {
        id: "config-size-is-rounded",
        claim: "The max_db_size that GET config returns can be sent back unchanged",
        source: "assumption",
        area: Area::Operations,
        why: "A tool that reads, changes and writes the configuration changes the limit",
        mitigation: "Keep max_db_size elsewhere, and send it in every POST",
        how: "max_db_size is set to 1048576, read, and what was read is sent back",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "size").await?;
            let config = |size: Value| {
                json!({
                    "block_reads": false, "block_writes": false, "max_db_size": size,
                })
            };
            set(&stack, &name, &config(json!(1_048_576))).await?;
            let shown = stack.admin()?.config(&name).await?.get("max_db_size").cloned();
            let shown = shown.unwrap_or(Value::Null);
            let back = post(&stack, &name, &config(shown.clone())).await?;
            let observation = if shown == json!(1_048_576) {
                Observation::new(Verdict::AsDocumented, "max_db_size is shown as it was set")
            } else {
                let finding = format!(
                    "max_db_size 1048576 is shown as {shown}; sent back, that is answered {}",
                    back.status
                );
                Observation::new(Verdict::Undocumented, finding)
            };
            Ok(observation
                .saw("GET config after max_db_size = 1048576", shown.to_string())
                .answered("POST of what was shown", &back))
        }),
    },
    Probe {
        id: "config-hides-fields",
        claim: "GET config shows every field that POST config takes",
        source: "assumption",
        area: Area::Operations,
        why: "A field that GET does not return is lost with the next POST, and nothing shows the \
              loss",
        mitigation: "Keep these values elsewhere, and send them in every POST",
        how: "bottomless_db_id and max_row_size are sent, then GET config is read",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "hidden").await?;
            let config = json!({
                "block_reads": false, "block_writes": false,
                "bottomless_db_id": "01234567-89ab-cdef-0123-456789abcdef",
                "max_row_size": 1_000_000, "shared_schema": false,
            });
            let answer = post(&stack, &name, &config).await?;
            let shown = stack.admin()?.config(&name).await?;
            let fields = ["bottomless_db_id", "max_row_size", "shared_schema"];
            let missing: Vec<&str> =
                fields.into_iter().filter(|field| !shown.contains_key(*field)).collect();
            let observation = if missing.is_empty() {
                Observation::new(Verdict::AsDocumented, "GET config shows all fields")
            } else {
                let finding = format!("GET config does not show: {}", missing.join(", "));
                Observation::new(Verdict::Undocumented, finding)
            };
            let shown = Value::Object(shown).to_string();
            Ok(observation.answered("POST with all three", &answer).saw("GET config", shown))
        }),
    },
    Probe {
        id: "block-reads-leaves-dump",
        claim: "block_reads stops all reads of a namespace",
        source: "assumption; docs/ADMIN_API, config",
        area: Area::Security,
        why: "A tenant whose reads are blocked can still download all of the data",
        mitigation: "Refuse /dump at a proxy, or revoke the tenant's access",
        how: "With block_reads on, a SELECT and GET /dump of a namespace with a row",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const MARKER: &str = "behind-the-lock";

            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "blocked").await?;
            let hrana = stack.hrana("primary", Some(&name))?;
            hrana.execute("CREATE TABLE t (x)").await?;
            hrana.execute(&format!("INSERT INTO t VALUES ('{MARKER}')")).await?;
            set(&stack, &name, &json!({ "block_reads": true, "block_writes": true })).await?;
            let select = hrana.execute("SELECT x FROM t").await?;

            let address = stack.address("primary", Interface::Http)?;
            let base = format!("http://{address}");
            let token = stack.full_token()?;
            let request = context
                .http()
                .get(format!("{base}/dump"))
                .header(HOST, format!("{name}.localhost:{}", address.port()))
                .header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
            let dump = Answer::to(request, &base).await?;
            let row = if dump.body.contains(MARKER) { "with the row" } else { "without the row" };
            let answers = format!("{}; dump {} {row}", outcome(&select), dump.status);
            let known = [
                (
                    "200 with BLOCKED; dump 200 with the row",
                    Verdict::Weakness,
                    "with block_reads on, SELECT is refused and /dump still gives every row",
                ),
                (
                    "200 with BLOCKED; dump 403 without the row",
                    Verdict::AsDocumented,
                    "with block_reads on, SELECT and /dump are refused",
                ),
                (
                    "200; dump 200 with the row",
                    Verdict::Weakness,
                    "block_reads does not keep anybody from reading",
                ),
            ];
            Ok(judge(&answers, &known).replied("SELECT", &select).answered("GET /dump", &dump))
        }),
    },
];

/// Sends exactly this configuration.
async fn post(stack: &EphemeralStack, name: &NamespaceName, config: &Value) -> Result<Answer> {
    let path = format!("/v1/namespaces/{name}/config");
    Ok(stack.admin()?.raw(Method::POST, &path, Some(config)).await?)
}

/// Sends a configuration that the server must take for the probe to go on.
async fn set(stack: &EphemeralStack, name: &NamespaceName, config: &Value) -> Result<()> {
    let answer = post(stack, name, config).await?;
    if answer.status == 200 {
        return Ok(());
    }
    let why = format!("{} {}", answer.status, answer.excerpt());
    Err(Error::experiment_saw("the server refuses the configuration", why).into())
}
