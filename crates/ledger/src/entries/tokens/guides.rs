//! What guides say about keys and tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::SecretString;
use serde_json::json;

use super::answers::{judge, outcome};
use super::{READ, WRITE, with_claims};
use crate::{Area, Engines, Error, Probe, Verdict};
use demo_base::error::Result;
use demo_base::files;
use demo_sqld::keys::SigningKey;
use demo_sqld::token;
use demo_stack::engine::ephemeral::EphemeralStack;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "token-id-names-a-namespace",
        claim: "By default any valid token opens every database, and limiting it needs a proxy",
        source: "the Configuration Guide article, \"Restricting a Token to a Namespace\"",
        area: Area::Security,
        why: "The guide's own example puts the user's name into `id`, where the server expects a \
              namespace: the token opens nothing, and readers turn the check off",
        mitigation: "Put the user into `sub`, and the namespace into `id` or `p`",
        how: "The guide's token {\"id\":\"user-123\"} reads a namespace of another name, one for \
              the namespace reads it and not its neighbour",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let own = context.namespace(&stack, "room").await?;
            let other = context.namespace(&stack, "nextroom").await?;
            let guide = with_claims(&stack, &own, &json!({ "id": "user-123" }), READ).await?;
            let limited = json!({ "id": own.as_str() });
            let inside = with_claims(&stack, &own, &limited, WRITE).await?;
            let outside = with_claims(&stack, &other, &limited, READ).await?;
            let answers =
                format!("{}, {}, {}", outcome(&guide), outcome(&inside), outcome(&outside));
            let known = [
                (
                    "404, 200, 404",
                    Verdict::Differs,
                    "`id` limits a token to the namespace of that name: the guide's token opens \
                     none",
                ),
                (
                    "200, 200, 200",
                    Verdict::AsDocumented,
                    "a token with any `id` opens every namespace",
                ),
            ];
            Ok(judge(&answers, &known)
                .replied("SELECT with {\"id\":\"user-123\"}", &guide)
                .replied("CREATE TABLE with the namespace in `id`", &inside)
                .replied("SELECT from its neighbour", &outside))
        }),
    },
    Probe {
        id: "worker-token-opens-other-tenants",
        claim: "The worker's token gives a user access to the namespace of that user",
        source: "the Configuration Guide article, \"Cloudflare Worker - The Ticket Office\"",
        area: Area::Security,
        why: "The worker's claims are sub, nbf and exp: every user reads and writes every tenant",
        mitigation: "Add {\"id\": NAMESPACE, \"a\": \"rw\"} to what the worker signs",
        how: "A token with the worker's claims for one user writes to another user's namespace",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let tenant = context.namespace(&stack, "db-user-2-").await?;
            let now = Timestamp::now().as_second();
            let claims = json!({ "sub": "user-1", "nbf": now, "exp": now + 3600 });
            let reply = with_claims(&stack, &tenant, &claims, WRITE).await?;
            let known = [
                (
                    "200",
                    Verdict::Weakness,
                    "the worker's token for one user writes to another's database",
                ),
                (
                    "404",
                    Verdict::AsDocumented,
                    "the worker's token is answered 404 on another's database",
                ),
                ("401", Verdict::AsDocumented, "the worker's token is refused with 401"),
            ];
            Ok(judge(&outcome(&reply), &known)
                .replied("CREATE TABLE in user 2's namespace with user 1's token", &reply))
        }),
    },
    Probe {
        id: "public-key-is-enough",
        claim: "The server needs only the public key and keeps no list of tokens",
        source: "the Configuration Guide article, \"Stateless Verification\"; docs/USER_GUIDE, \
                 Client Authentication",
        area: Area::Security,
        why: "The private key can stay where tokens are minted, so an intruder on the server \
              cannot mint any",
        mitigation: "Never mount the private key into a server",
        how: "The files that a primary is given hold no private key, yet it takes a fresh token",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "stateless").await?;
            let mut secret = false;
            let files =
                stack.service("primary")?.mounts.iter().filter(|mount| mount.source.is_file());
            for mount in files {
                secret |= files::read_text(&mount.source, "mounted file")?.contains("PRIVATE KEY");
            }
            let claims = json!({ "a": "rw", "sub": format!("user {name}"), "jti": name.as_str() });
            let reply = with_claims(&stack, &name, &claims, READ).await?;
            let held = if secret { "a private key" } else { "no private key" };
            let known = [
                (
                    "200 with no private key",
                    Verdict::AsDocumented,
                    "a server that holds a public key takes tokens that it never saw",
                ),
                ("200 with a private key", Verdict::Differs, "the server is given a private key"),
                ("401 with no private key", Verdict::Differs, "a fresh token is refused with 401"),
            ];
            Ok(judge(&format!("{} with {held}", outcome(&reply)), &known)
                .saw("the files mounted into the primary", held)
                .replied("SELECT with a fresh token", &reply))
        }),
    },
    Probe {
        id: "token-of-foreign-key-401",
        claim: "A token signed with another key is refused",
        source: "the Configuration Guide article, \"Trust ONLY this ink\"; docs/USER_GUIDE, Client \
                 Authentication",
        area: Area::Security,
        why: "This is the purpose of tokens",
        mitigation: "Nothing to do",
        how: "A token of a new key reads a namespace",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "ink").await?;
            let token = token::mint(&SigningKey::generate()?, &json!({ "a": "rw" }))?;
            let reply =
                stack.anonymous("primary", Some(&name))?.token(&token).execute(READ).await?;
            let known = [
                ("401", Verdict::AsDocumented, "a token of a foreign key is refused with 401"),
                ("200", Verdict::Weakness, "a token of a foreign key is accepted"),
            ];
            Ok(judge(&outcome(&reply), &known).replied("SELECT with a foreign token", &reply))
        }),
    },
    Probe {
        id: "token-other-algorithms-401",
        claim: "A token cannot choose a weaker algorithm for itself",
        source: "assumption; RFC 8725, 3.1",
        area: Area::Security,
        why: "Some libraries have accepted `none`, or a public key as an HMAC secret",
        mitigation: "Nothing to do: the server accepts only EdDSA",
        how: "Tokens with alg none, and with HS256 keyed with the public key's file, read",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "algorithm").await?;
            let ask = async |token: String| {
                let token = SecretString::from(token);
                Ok::<_, anyhow::Error>(
                    stack.anonymous("primary", Some(&name))?.token(&token).execute(READ).await?,
                )
            };
            let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let head = part(json!({ "alg": "none", "typ": "JWT" }));
            let unsigned = ask(format!("{head}.{}.", part(json!({ "a": "rw" })))).await?;

            let public = public_key_file(&stack)?;
            let secret = EncodingKey::from_secret(public.as_bytes());
            let claims = json!({ "a": "rw" });
            let confused = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &secret);
            let confused = confused.map_err(|error| Error::experiment_saw("cannot sign", error))?;
            let confused = ask(confused).await?;

            let known = [
                (
                    "401 and 401",
                    Verdict::AsDocumented,
                    "tokens of the algorithms none and HS256 get 401",
                ),
                ("200 and 401", Verdict::Weakness, "a token that nobody signed is accepted"),
                (
                    "401 and 200",
                    Verdict::Weakness,
                    "a token signed with the public key is accepted",
                ),
            ];
            Ok(judge(&format!("{} and {}", outcome(&unsigned), outcome(&confused)), &known)
                .replied("SELECT with alg none", &unsigned)
                .replied("SELECT with HS256 and the public key's file", &confused))
        }),
    },
    Probe {
        id: "no-key-means-open",
        claim: "A server that is started without a key refuses everybody",
        source: "the Configuration Guide article, \"an open door (or a locked one, depending on \
                 default)\"",
        area: Area::Security,
        why: "A variable lost in a deployment opens every database without a warning",
        mitigation: "Check after every start that a request without a token gets 401: \
                     `demo smoke` does",
        how: "A primary without SQLD_AUTH_JWT_KEY_FILE gets a write without a token",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let change = |plan: &mut demo_stack::plan::StackPlan| {
                for service in &mut plan.services {
                    service.environment.remove("SQLD_AUTH_JWT_KEY_FILE");
                }
                Ok(())
            };
            let stack = context.primary(change).await?;
            let name = context.namespace(&stack, "open").await?;
            let anonymous = stack.anonymous("primary", Some(&name))?;
            let reply = anonymous.execute(WRITE).await?;
            let nonsense = SecretString::from("nonsense".to_owned());
            let any = anonymous.token(&nonsense).execute(READ).await?;
            context.discard(&stack).await?;
            let known = [
                (
                    "200 and 200",
                    Verdict::Weakness,
                    "without a key the server is open: no token is needed, and any text is one",
                ),
                (
                    "401 and 401",
                    Verdict::AsDocumented,
                    "without a key the server refuses everybody",
                ),
                (
                    "200 and 401",
                    Verdict::Weakness,
                    "without a key the server is open to who has no token",
                ),
            ];
            Ok(judge(&format!("{} and {}", outcome(&reply), outcome(&any)), &known)
                .replied("CREATE TABLE without a token", &reply)
                .replied("SELECT with the token `nonsense`", &any))
        }),
    },
    Probe {
        id: "no-token-401",
        claim: "Without a token the server answers 401 Unauthorized",
        source: "the Configuration Guide article, \"Can anyone with the namespace URL access the \
                 database?\"",
        area: Area::Security,
        why: "Knowing the address must not be enough",
        mitigation: "Nothing to do on the HTTP port; see the probes of the gRPC port",
        how: "A SELECT without a token on a namespace that exists, on primary and replica",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "door").await?;
            let primary = stack.anonymous("primary", Some(&name))?.execute(READ).await?;
            let replica = stack.anonymous("replica", Some(&name))?.execute(READ).await?;
            let known = [
                (
                    "401 and 401",
                    Verdict::AsDocumented,
                    "without a token primary and replica answer 401",
                ),
                ("200 and 200", Verdict::Weakness, "primary and replica answer without a token"),
                ("401 and 200", Verdict::Weakness, "the replica answers without a token"),
                ("200 and 401", Verdict::Weakness, "the primary answers without a token"),
            ];
            Ok(judge(&format!("{} and {}", outcome(&primary), outcome(&replica)), &known)
                .replied("SELECT on the primary", &primary)
                .replied("SELECT on the replica", &replica))
        }),
    },
];

/// The text of the file by which the primary knows tokens.
fn public_key_file(stack: &EphemeralStack) -> Result<String> {
    let primary = stack.service("primary")?;
    let target = primary.environment.get("SQLD_AUTH_JWT_KEY_FILE");
    let mount = primary.mounts.iter().find(|mount| Some(&mount.target) == target);
    let mount = mount.ok_or_else(|| Error::experiment("the primary is given no key"))?;
    Ok(files::read_text(&mount.source, "public key")?)
}
