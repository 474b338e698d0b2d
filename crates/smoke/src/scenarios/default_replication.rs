//! Data written to the primary can be read on the replica.

use std::time::Duration;

use futures::FutureExt;
use secrecy::SecretString;

use crate::{Context, Scenario, Seen};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld_client::Client;
use demo_sqld_client::endpoint::Endpoint;
use demo_sqld_client::hrana::Hrana;
use demo_sqld_client::proto::Stmt;
use demo_sqld_client::replication::catch_up;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;
use demo_stack::plan::blueprint::Variants;

pub const SCENARIO: Scenario = Scenario {
    name: "default-replication",
    about: "data written to the primary can be read on the replica",
    run: |context| run(context).boxed_local(),
};

const MEGABYTE: usize = 1024 * 1024;

async fn run(context: &Context<'_>) -> Result<()> {
    let stack = context.start(Variants::DEFAULT).await?;
    let token = stack.full_token()?;
    let primary = client(&stack, "primary", &token)?;
    let replica = client(&stack, "replica", &token)?;
    let on_primary = stack.hrana("primary", None)?;
    let on_replica = stack.hrana("replica", None)?;

    context
        .check("the primary creates a table and accepts rows", "3 rows", async || {
            primary.init().await?;
            for label in ["plain", "it's \"quoted\" \u{1F980}", &"x".repeat(MEGABYTE)] {
                primary.insert(label).await?;
            }
            Ok(Seen::equal(&primary.count().await?, &3))
        })
        .await;

    context
        .check(
            "every SQL type is returned as it was sent",
            "null, integer, real, text, blob",
            async || {
                let sql = "SELECT NULL, 9007199254740993, 0.5, 'é''', x'00ff'";
                let table = primary.run(sql).await?;
                let row = table.text_rows().concat().join(" ");
                Ok(Seen::equal(&row, &"NULL 9007199254740993 0.5 é' x'00ff'".to_owned()))
            },
        )
        .await;

    let follows = context
        .check(
            "the replica reaches the primary's replication index",
            "the same index",
            async || {
                let index = catch_up(&on_primary, &on_replica).await?;
                Ok(Seen::when(true, format!("index {index}")))
            },
        )
        .await;
    if !follows {
        // Every further check would wait in vain.
        return Ok(());
    }

    context
        .check("the replica's rows equal the primary's", "equal rows", async || {
            let (expected, saw) = (primary.read().await?, replica.read().await?);
            let text = format!("{} and {} rows", saw.len(), expected.len());
            Ok(Seen::when(!saw.is_empty() && saw == expected, text))
        })
        .await;

    context
        .check("a write sent to the replica arrives at the primary", "the row", async || {
            let item = replica.insert("through the replica").await?;
            let found = primary.read().await?.contains(&item);
            Ok(Seen::when(found, if found { "the row" } else { "no such row" }))
        })
        .await;

    context
        .check("and comes back to the replica", "4 rows", async || {
            let seen = poll("the replica has 4 rows", Duration::from_secs(10), async || {
                Ok(match replica.count().await? {
                    4 => Attempt::Done(4),
                    other => Attempt::Again(format!("{other} rows")),
                })
            })
            .await?;
            Ok(Seen::when(true, format!("{seen} rows")))
        })
        .await;

    context
        .check("a read can wait for an index", "200 with the row", async || {
            let reply =
                on_primary.execute("INSERT INTO items (label) VALUES ('waited for')").await?;
            let index = reply.replication_index();
            let sql = "SELECT count(*) FROM items WHERE label = 'waited for'";
            let statement = Stmt { replication_index: index, ..Stmt::new(sql, true) };
            let reply = on_replica.statement(statement).await?;
            Ok(Seen::when(reply.scalar() == Some("1"), reply.scalar().unwrap_or("no row")))
        })
        .await;

    for service in ["primary", "replica"] {
        context
            .check(&format!("the {service} refuses a request without a token"), "401", async || {
                let address = stack.address(service, Interface::Http)?;
                let reply = Hrana::new(stack.http.clone(), address).execute("SELECT 1").await?;
                Ok(Seen::status(&reply, 401))
            })
            .await;
    }
    Ok(())
}

fn client(stack: &EphemeralStack, service: &str, token: &SecretString) -> Result<Client> {
    let endpoint = Endpoint::local(stack.address(service, Interface::Http)?, None);
    Ok(Client::server(Hrana::to(&endpoint)?.token(token), endpoint))
}
