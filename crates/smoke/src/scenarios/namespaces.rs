//! Namespaces isolate their data, and tokens open what their claims say.

use std::time::Duration;

use futures::FutureExt;
use secrecy::SecretString;
use serde_json::json;

use crate::{Context, Scenario, Seen};
use demo_base::error::Result;
use demo_sqld::claims::{Access, Grant};
use demo_sqld::keys::SigningKey;
use demo_sqld::namespace::NamespaceName;
use demo_sqld::token;
use demo_sqld_client::admin::Admin;
use demo_sqld_client::hrana::Hrana;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;
use demo_stack::plan::blueprint::Variants;

pub const SCENARIO: Scenario = Scenario {
    name: "namespaces",
    about: "namespaces isolate their data, and tokens open what their claims say",
    run: |context| run(context).boxed_local(),
};

const HOUR: Duration = Duration::from_secs(3600);
/// More than the minute of clock difference that the server tolerates.
const PAST_LEEWAY: Duration = Duration::from_secs(120);

async fn run(context: &Context<'_>) -> Result<()> {
    let stack = context.start(Variants::NAMESPACED).await?;
    let [alpha, beta]: [NamespaceName; 2] = ["alpha".parse()?, "beta".parse()?];
    administration(context, &stack, &alpha, &beta).await?;
    tokens(context, &stack, &alpha).await?;
    scopes(context, &stack, &alpha, &beta).await?;
    deletion(context, &stack, &beta).await
}

/// A client of the primary with `token` and `namespace`, each of which may be omitted.
fn primary(
    stack: &EphemeralStack,
    namespace: Option<&NamespaceName>,
    token: Option<&SecretString>,
) -> Result<Hrana> {
    let hrana = Hrana::new(stack.http.clone(), stack.address("primary", Interface::Http)?);
    let hrana = hrana.namespace(namespace);
    Ok(match token {
        Some(token) => hrana.token(token),
        None => hrana,
    })
}

async fn administration(
    context: &Context<'_>,
    stack: &EphemeralStack,
    alpha: &NamespaceName,
    beta: &NamespaceName,
) -> Result<()> {
    let admin = stack.admin()?;
    context
        .check("the Admin API creates two namespaces", "both created", async || {
            let made = (admin.create(alpha).await?, admin.create(beta).await?);
            Ok(Seen::equal(&made, &(true, true)))
        })
        .await;
    context
        .check("a namespace cannot be created twice", "400", async || {
            let path = format!("/v1/namespaces/{alpha}/create");
            let answer = admin.raw(reqwest::Method::POST, &path, Some(&json!({}))).await?;
            Ok(Seen::when(answer.status == 400, answer.status.to_string()))
        })
        .await;
    context
        .check("a wrong Admin key is refused", "401", async || {
            let wrong = SecretString::from("not-the-key");
            let address = stack.address("primary", Interface::Admin)?;
            let admin = Admin::new(stack.http.clone(), address, Some(&wrong));
            let path = format!("/v1/namespaces/{alpha}/stats");
            let answer = admin.raw(reqwest::Method::GET, &path, None).await?;
            Ok(Seen::when(answer.status == 401, answer.status.to_string()))
        })
        .await;
    Ok(())
}

async fn tokens(
    context: &Context<'_>,
    stack: &EphemeralStack,
    alpha: &NamespaceName,
) -> Result<()> {
    let full = stack.full_token()?;
    context
        .check("a valid token is accepted", "200", async || {
            let hrana = primary(stack, Some(alpha), Some(&full))?;
            Ok(Seen::success(&hrana.execute("CREATE TABLE t (x)").await?))
        })
        .await;

    let now = jiff::Timestamp::now();
    let grant = Grant::full(HOUR);
    let foreign = token::mint(&SigningKey::generate()?, &grant.claims(now))?;
    let expired = stack.token_at(&grant, now - HOUR - PAST_LEEWAY)?;
    let refused = [
        ("no token is refused", None),
        ("a garbage token is refused", Some(SecretString::from("garbage"))),
        ("a token of another key is refused", Some(foreign)),
        ("an expired token is refused", Some(expired)),
    ];
    for (name, token) in refused {
        context
            .check(name, "401 from primary POST /v3/pipeline", async || {
                let hrana = primary(stack, Some(alpha), token.as_ref())?;
                Ok(Seen::status(&hrana.execute("SELECT 1").await?, 401))
            })
            .await;
    }

    let read_only = stack.token(&Grant { access: Access::ReadOnly, ..Grant::full(HOUR) })?;
    let reader = primary(stack, Some(alpha), Some(&read_only))?;
    context
        .check("a read-only token reads", "200", async || {
            Ok(Seen::success(&reader.execute("SELECT count(*) FROM t").await?))
        })
        .await;
    context
        .check("a read-only token does not write", "403", async || {
            Ok(Seen::status(&reader.execute("INSERT INTO t VALUES (1)").await?, 403))
        })
        .await;
    Ok(())
}

async fn scopes(
    context: &Context<'_>,
    stack: &EphemeralStack,
    alpha: &NamespaceName,
    beta: &NamespaceName,
) -> Result<()> {
    let full = stack.full_token()?;
    let scoped = stack.token(&Grant { namespaces: vec![alpha.clone()], ..Grant::full(HOUR) })?;
    context
        .check("a scoped token writes in its namespace", "200", async || {
            let hrana = primary(stack, Some(alpha), Some(&scoped))?;
            Ok(Seen::success(&hrana.execute("INSERT INTO t VALUES (1)").await?))
        })
        .await;
    context
        .check("a scoped token does not open another namespace", "404", async || {
            let hrana = primary(stack, Some(beta), Some(&scoped))?;
            Ok(Seen::status(&hrana.execute("SELECT 1").await?, 404))
        })
        .await;
    context
        .check("a token that may read a namespace does not write in it", "403", async || {
            let grant = Grant {
                access: Access::ReadOnly,
                namespaces: vec![beta.clone()],
                ..Grant::full(HOUR)
            };
            let hrana = primary(stack, Some(beta), Some(&stack.token(&grant)?))?;
            Ok(Seen::status(&hrana.execute("CREATE TABLE t (x)").await?, 403))
        })
        .await;
    context
        .check("the data of one namespace is not in the other", "no such table", async || {
            let hrana = primary(stack, Some(beta), Some(&full))?;
            let reply = hrana.execute("SELECT * FROM t").await?;
            let good = reply.sql_error().is_some_and(|(_, text)| text.contains("no such table"));
            Ok(Seen::when(good, reply.describe()))
        })
        .await;
    context
        .check("an unknown namespace is refused", "404", async || {
            let unknown = "nobody".parse()?;
            let hrana = primary(stack, Some(&unknown), Some(&full))?;
            Ok(Seen::status(&hrana.execute("SELECT 1").await?, 404))
        })
        .await;
    context
        .check("a request that names no namespace is refused", "400", async || {
            let hrana = primary(stack, None, Some(&full))?;
            Ok(Seen::status(&hrana.execute("SELECT 1").await?, 400))
        })
        .await;
    Ok(())
}

async fn deletion(
    context: &Context<'_>,
    stack: &EphemeralStack,
    beta: &NamespaceName,
) -> Result<()> {
    let full = stack.full_token()?;
    let hrana = primary(stack, Some(beta), Some(&full))?;
    context
        .check("a namespace answers until it is deleted", "200", async || {
            Ok(Seen::success(&hrana.execute("SELECT 1").await?))
        })
        .await;
    context
        .check("a deleted namespace is gone from the primary", "404", async || {
            stack.admin()?.delete(beta).await?;
            Ok(Seen::status(&hrana.execute("SELECT 1").await?, 404))
        })
        .await;
    Ok(())
}
