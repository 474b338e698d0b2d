//! Tokens that open more than they say, or at other times.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::attack_context::{AttackContext, GROUP, SECRET, Tenants};
use crate::entries::http_api::wire::{scalar, verdict_of};
use crate::entries::websocket::Session;
use crate::gate_audit::{Attack, Attempt, Target};
use demo_base::error::Result;
use demo_base::ready::{self, poll};
use demo_stack::plan::Interface;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "empty-claims-full-access",
        how: "SELECT on another tenant's namespace with the token {}",
        run: &Attack::run(async |context, target| reads_other(context, target, json!({})).await),
    },
    Attack {
        id: "worker-token-opens-other-tenants",
        how: "SELECT on another tenant's namespace with {sub, nbf, exp}",
        run: &Attack::run(async |context, target| {
            let now = Timestamp::now().as_second();
            let claims = json!({ "sub": "user-1", "nbf": now, "exp": now + 600 });
            reads_other(context, target, claims).await
        }),
    },
    Attack {
        id: "tag-claim-opens-all-namespaces",
        how: "SELECT on another tenant's namespace with the server's LIBSQL_GID as a tag",
        run: &Attack::run(async |context, target| {
            let claims = json!({ "p": { "rw": { "tags": [GROUP] } }, "exp": far() });
            reads_other(context, target, claims).await
        }),
    },
    Attack {
        id: "token-not-before-ignored",
        how: "SELECT with a token for the namespace that begins in an hour",
        run: &Attack::run(async |context, target| {
            let Tenants { own, .. } = context.tenants().await?;
            let begin = Timestamp::now().as_second() + 3600;
            let claims =
                json!({ "p": { "rw": { "ns": [own] } }, "nbf": begin, "exp": begin + 600 });
            let token = context.stack.token_with(&claims)?;
            let answer = context
                .wire(target)?
                .token(Some(token))
                .namespace(&own)
                .execute("SELECT 1")
                .await?;
            Ok(Attempt::new(
                verdict_of(&answer) == "ok",
                format!("{} {}", answer.status, answer.body),
            ))
        }),
    },
    Attack {
        id: "websocket-outlives-its-token",
        how: "INSERT over a WebSocket after the end of the token in its hello",
        run: &Attack::run(async |context, target| {
            let Tenants { own, .. } = context.tenants().await?;
            let end = Timestamp::now().as_second() + 2;
            let claims = json!({ "p": { "rw": { "ns": [own] } }, "exp": end });
            let token = context.stack.token_with(&claims)?;
            let address = context.at(target, "primary", Interface::Http)?;
            let mut socket = Session::open(address, &own, &token).await?;
            poll("the token has ended", Duration::from_secs(8), async || {
                Ok(if Timestamp::now().as_second() > end + 1 {
                    ready::Attempt::Done(())
                } else {
                    ready::Attempt::Again("it is still good".to_owned())
                })
            })
            .await?;
            // A socket that was closed meanwhile is an error of the connection.
            let saw = match socket.execute("INSERT INTO t VALUES ('late')").await {
                Ok(saw) => saw,
                Err(error) => format!("{error:#}"),
            };
            Ok(Attempt::new(context.holds(&own, "late").await?, saw))
        }),
    },
];

fn far() -> i64 {
    Timestamp::now().as_second() + 600
}

async fn reads_other(
    context: &AttackContext<'_>,
    target: Target,
    claims: Value,
) -> Result<Attempt> {
    let Tenants { other, .. } = context.tenants().await?;
    let token = context.stack.token_with(&claims)?;
    let wire = context.wire(target)?.token(Some(token)).namespace(&other);
    let answer = wire.execute(&format!("SELECT x FROM t WHERE x = '{SECRET}'")).await?;
    let got_in = scalar(&answer).as_deref() == Some(SECRET);
    Ok(Attempt::new(got_in, format!("{} {}", answer.status, answer.body)))
}
