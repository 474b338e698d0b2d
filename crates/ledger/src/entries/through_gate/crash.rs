//! Attacks that crash the server or lock all others out of it; each uses a throw-away
//! server with a gate of its own.

use super::attack_context::AttackContext;
use crate::entries::http_api::wire::verdict_of;
use crate::entries::limits::connections::{CONNECTIONS, open};
use crate::entries::sql::deadly::{self, Deadly, doomed, reader, strike};
use crate::gate_audit::{Attack, Attempt, OpenGate, Target};
use demo_base::error::Result;
use demo_stack::plan::Interface;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        id: "sql-length-ends-server",
        how: "SELECT replicate, padl, padr, padc and rightstr with lengths beyond 32 bits",
        run: &Attack::run(async |context, target| ends(context, target, deadly::lengths()).await),
    },
    Attack {
        id: "sql-operator-chain-ends-server",
        how: "SELECT with 40,000 of each of nine operators",
        run: &Attack::run(async |context, target| ends(context, target, deadly::chains()).await),
    },
    Attack {
        id: "sql-regexp-ends-server",
        how: "SELECT 'a' REGEXP ? with 20,000 nested parentheses",
        run: &Attack::run(async |context, target| {
            ends(context, target, deadly::nested_pattern()).await
        }),
    },
    Attack {
        id: "sql-vector-function-ends-server",
        how: "SELECT libsql_vector_idx()",
        run: &Attack::run(async |context, target| {
            ends(context, target, deadly::vector_index()).await
        }),
    },
    Attack {
        id: "connections-shared-by-namespaces",
        how: "SELECT in another namespace while 128 pipelines are left open in one's own",
        run: &Attack::run(async |context, target| {
            let (stack, name) = doomed(context.context, None).await?;
            let other = context.context.namespace(&stack, "neighbour").await?;
            let gate = OpenGate::before(&stack)?;
            let address = match target {
                Target::Server => stack.address("primary", Interface::Http)?,
                Target::Gate => gate.address,
            };
            let opened = open(&reader(&stack, &name)?.moved(address), CONNECTIONS).await;
            let answer = reader(&stack, &other)?.moved(address).execute("SELECT 1").await?;
            gate.close().await?;
            context.context.discard(&stack).await?;
            let saw = format!("{opened} open; {} {}", answer.status, answer.body);
            Ok(Attempt::new(verdict_of(&answer) != "ok", saw))
        }),
    },
];

async fn ends(context: &AttackContext<'_>, target: Target, all: Vec<Deadly>) -> Result<Attempt> {
    let (stack, name) = doomed(context.context, None).await?;
    let gate = OpenGate::before(&stack)?;
    let address = match target {
        Target::Server => stack.address("primary", Interface::Http)?,
        Target::Gate => gate.address,
    };
    let wire = reader(&stack, &name)?.moved(address);
    let mut tries = Vec::new();
    let mut saw = String::new();
    for deadly in all {
        let fate = strike(&stack, &wire, &deadly).await?;
        if fate.ended {
            stack.resume("primary").await?;
        }
        tries.push((deadly.what, fate.ended));
        saw = fate.saw;
    }
    gate.close().await?;
    context.context.discard(&stack).await?;
    Ok(Attempt::several(target, &tries, saw))
}
