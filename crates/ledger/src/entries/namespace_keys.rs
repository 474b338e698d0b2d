//! Keys and rights of a single namespace.

pub(super) mod attach;
pub(super) mod claims;
pub(super) mod replicas;

use reqwest::header::{AUTHORIZATION, HOST};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use crate::{Area, Engines, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld::keys::SigningKey;
use demo_sqld::namespace::NamespaceName;
use demo_sqld::token;
use demo_sqld_client::hrana::Reply;
use demo_sqld_client::http::{Answer, host_header};
use demo_stack::engine::Stop;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "own-key-without-server-key",
        claim: "A namespace with its own key is protected even if the server has no key",
        source: "sqld issue 500 and the Admin API's `jwt_key`",
        area: Area::Security,
        why: "It is the obvious way to protect one namespace of an open server",
        mitigation: "Do not rely on it alone: see dev-path-opens-namespace",
        how: "A server without a key, a namespace with one: SELECT by Host without a token, and \
              with a token of the namespace's key",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = open_primary(context).await?;
            let name = with_table(context, &stack).await?;
            let key = TenantKey::give(&stack, &name).await?;
            let anonymous = stack.anonymous("primary", Some(&name))?;
            let without = anonymous.execute("SELECT x FROM t").await?;
            let with =
                anonymous.token(&key.token(&json!({ "a": "rw" }))?).execute("SELECT 1").await?;
            context.discard(&stack).await?;
            let verdict = match (without.succeeded(), with.succeeded()) {
                (true, _) => Verdict::Weakness,
                (false, true) => Verdict::AsDocumented,
                (false, false) => Verdict::Differs,
            };
            let finding = format!(
                "on a server without a key a namespace with one answers {} without a token and {} \
                 with one of its key",
                outcome(&without),
                outcome(&with)
            );
            Ok(Observation::new(verdict, finding)
                .replied("SELECT without a token", &without)
                .replied("SELECT with a token of the namespace's key", &with))
        }),
    },
    Probe {
        id: "dev-path-opens-namespace",
        claim: "A namespace with its own key is protected on every path when the server has none",
        source: "sqld issue 500 and docs/USER_GUIDE, path routing",
        area: Area::Security,
        why: "/dev/NS/ asks for the rights on the namespace of Host and then uses NS",
        mitigation: "Give the server a key as well, and let a proxy refuse /dev/",
        how: "A server without a key, a namespace with one: INSERT over /dev/NS/v2/pipeline with \
              the Host of another namespace and no token",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = open_primary(context).await?;
            let (closed, open) =
                (with_table(context, &stack).await?, with_table(context, &stack).await?);
            let key = TenantKey::give(&stack, &closed).await?;
            let answer = insert_by_path(context, &stack, &open, &closed, None).await?;
            let token = key.token(&json!({ "a": "rw" }))?;
            let rows =
                stack.anonymous("primary", Some(&closed))?.token(&token).execute(COUNT).await?;
            context.discard(&stack).await?;
            let yes = "on a server without a key, /dev/NS/ with the Host of another namespace \
                       writes to a namespace that has a key without a token";
            by_path(&answer, &rows, yes, "/dev/NS/ asks for a token of the namespace's key")
        }),
    },
    Probe {
        id: "dev-path-takes-foreign-key",
        claim: "A token of one namespace's own key opens no other namespace",
        source: "sqld issue 500 and docs/USER_GUIDE, path routing",
        area: Area::Security,
        why: "A tenant who signs their own tokens can reach every other tenant",
        mitigation: "Let a proxy refuse /dev/",
        how: "INSERT into A over /dev/A/v2/pipeline with Host B and a token {} of B's own key; the \
              same token with Host A is the control",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (target, own) =
                (with_table(context, &stack).await?, with_table(context, &stack).await?);
            let token = TenantKey::give(&stack, &own).await?.token(&json!({}))?;
            let hrana = stack.anonymous("primary", Some(&target))?.token(&token);
            let control = hrana.execute(COUNT).await?;
            let answer = insert_by_path(context, &stack, &own, &target, Some(&token)).await?;
            let rows = stack.hrana("primary", Some(&target))?.execute(COUNT).await?;
            let yes = if control.succeeded() {
                "a token of one namespace's own key opens every namespace"
            } else {
                "a token of one namespace's own key writes to another over /dev/, which Host \
                 refuses it"
            };
            let no = "a token of one namespace's own key is refused over /dev/";
            Ok(by_path(&answer, &rows, yes, no)?
                .replied("SELECT with Host A, the same token", &control))
        }),
    },
    Probe {
        id: "dev-path-writes-read-only",
        claim: "A token that may only read a namespace cannot write to it",
        source: "docs/USER_GUIDE, path routing",
        area: Area::Security,
        why: "The right to write to one namespace is used on another",
        mitigation: "Let a proxy refuse /dev/, or give each client one namespace and no more",
        how: "INSERT into A over /dev/A/v2/pipeline with Host B and a token that may read A and \
              write B; the same token with Host A is the control",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (target, own) =
                (with_table(context, &stack).await?, with_table(context, &stack).await?);
            let claims = json!({ "p": { "ro": { "ns": [target] }, "rw": { "ns": [own] } } });
            let token = stack.token_with(&claims)?;
            let hrana = stack.anonymous("primary", Some(&target))?.token(&token);
            let control = hrana.execute("INSERT INTO t VALUES ('by host')").await?;
            if control.succeeded() {
                let finding = "a token that may only read a namespace writes to it, by Host too";
                return Ok(Observation::new(Verdict::Weakness, finding).replied("INSERT", &control));
            }
            let answer = insert_by_path(context, &stack, &own, &target, Some(&token)).await?;
            let rows = stack.hrana("primary", Some(&target))?.execute(COUNT).await?;
            let yes = "a token that may only read a namespace writes to it over /dev/ with the \
                       Host of one that it may write";
            let no = "a token that may only read a namespace cannot write to it over /dev/ either";
            Ok(by_path(&answer, &rows, yes, no)?
                .replied("INSERT with Host A, the same token", &control))
        }),
    },
    Probe {
        id: "own-key-replaces-server-key",
        claim: "A namespace with its own key takes tokens of that key and no others",
        source: "sqld issue 500 and the Admin API's `jwt_key`",
        area: Area::Security,
        why: "Operators lock themselves out of SQL on that namespace as well",
        mitigation: "Keep the private key of every namespace, or reset `jwt_key` through the \
                     Admin API when the operator must get in",
        how: "SELECT with the server's full token before and after POST config with jwt_key, and \
              with a token of the new key",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = with_table(context, &stack).await?;
            let key = TenantKey::give(&stack, &name).await?;
            key_in_force(&stack, &name, &key, "after POST config").await
        }),
    },
    Probe {
        id: "own-key-survives-restart",
        claim: "The key of a namespace is still in force after a restart",
        source: "the Admin API's `jwt_key`",
        area: Area::Security,
        why: "If the key were forgotten, the server's tokens would open the namespace",
        mitigation: "none needed",
        how: "After SIGKILL and a restart: SELECT with the server's full token and with a token of \
              the namespace's key",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let name = with_table(context, &stack).await?;
            let key = TenantKey::give(&stack, &name).await?;
            stack.restart("primary", Stop::Kill).await?;
            let observation =
                key_in_force(&stack, &name, &key, "after SIGKILL and a restart").await?;
            context.discard(&stack).await?;
            Ok(observation)
        }),
    },
];

/// The key of one namespace, as its tenant holds it.
pub(super) struct TenantKey(SigningKey);

impl TenantKey {
    /// Makes a key and tells the server.
    pub async fn give(stack: &EphemeralStack, name: &NamespaceName) -> Result<Self> {
        let key = SigningKey::generate()?;
        let pem = Value::String(key.public().to_pem());
        stack.admin()?.configure(name, Map::from_iter([("jwt_key".to_owned(), pem)])).await?;
        Ok(Self(key))
    }

    /// A token with exactly these claims.
    pub fn token(&self, claims: &Value) -> Result<SecretString> {
        Ok(token::mint(&self.0, claims)?)
    }
}

/// A new namespace with a table `t (x)`.
async fn with_table(context: &ProbeContext<'_>, stack: &EphemeralStack) -> Result<NamespaceName> {
    let name = context.namespace(stack, "keys").await?;
    must(&stack.hrana("primary", Some(&name))?.execute("CREATE TABLE t (x)").await?)?;
    Ok(name)
}

/// The preparation of a probe has to work.
fn must(reply: &Reply) -> Result<(), Error> {
    if reply.succeeded() {
        return Ok(());
    }
    Err(Error::experiment_saw("the server refused a statement", reply.describe()))
}

/// A primary without a key.
async fn open_primary(context: &ProbeContext<'_>) -> Result<std::rc::Rc<EphemeralStack>> {
    context
        .primary(|plan| {
            for service in &mut plan.services {
                service.environment.remove("SQLD_AUTH_JWT_KEY_FILE");
            }
            Ok(())
        })
        .await
}

/// How a statement ended, in a word that is the same in every run.
fn outcome(reply: &Reply) -> String {
    match reply.sql_error() {
        Some((code, _)) => format!("{} with {code}", reply.status),
        None => reply.status.to_string(),
    }
}

/// `INSERT` into `target` over `/dev/`, with the `Host` of another namespace; returns
/// the answer and whether the row is there.
async fn insert_by_path(
    context: &ProbeContext<'_>,
    stack: &EphemeralStack,
    host: &NamespaceName,
    target: &NamespaceName,
    token: Option<&SecretString>,
) -> Result<Answer> {
    let address = stack.address("primary", Interface::Http)?;
    let url = format!("http://{address}/dev/{target}/v2/pipeline");
    let statement = json!({ "sql": "INSERT INTO t VALUES ('by path')" });
    let requests = json!([{ "type": "execute", "stmt": statement }, { "type": "close" }]);
    let request = context.http().post(&url).header(HOST, host_header(Some(host), address));
    let mut request = request.json(&json!({ "requests": requests }));
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
    }
    Ok(Answer::to(request, &url).await?)
}

/// What became of [`insert_by_path`]; `rows` is how many are there then.
fn by_path(answer: &Answer, rows: &Reply, yes: &str, no: &str) -> Result<Observation> {
    must(rows)?;
    let observation = if rows.scalar() == Some("0") {
        let finding = format!("{no} (answer {})", answer.status);
        Observation::new(Verdict::AsDocumented, finding)
    } else {
        Observation::new(Verdict::Weakness, yes)
    };
    Ok(observation.answered("INSERT over /dev/A/v2/pipeline with Host B", answer))
}

const COUNT: &str = "SELECT count(*) FROM t";

/// Whether `name` takes tokens of its own key and not the server's.
async fn key_in_force(
    stack: &EphemeralStack,
    name: &NamespaceName,
    key: &TenantKey,
    when: &str,
) -> Result<Observation> {
    let server = stack.hrana("primary", Some(name))?.execute(COUNT).await?;
    let tenant = stack.anonymous("primary", Some(name))?.token(&key.token(&json!({ "a": "rw" }))?);
    let tenant = tenant.execute(COUNT).await?;
    let verdict = match (server.succeeded(), tenant.succeeded()) {
        (true, _) => Verdict::Weakness,
        (false, true) => Verdict::AsDocumented,
        (false, false) => Verdict::Differs,
    };
    let finding = format!(
        "{when} the namespace answers {} to the server's full token and {} to one of its own key",
        outcome(&server),
        outcome(&tenant)
    );
    Ok(Observation::new(verdict, finding)
        .replied("SELECT with the server's full token", &server)
        .replied("SELECT with a token of the namespace's key", &tenant))
}
