//! A namespace created through the Admin API can be read on the replica.
//!
//! Upstream issue 1804 says that it cannot. Measured on sqld 0.24.32: it can when both servers run
//! with `--enable-namespaces`; a replica without the flag answers every name with its default
//! namespace and status 200.

use futures::FutureExt;

use crate::context::NamespaceReplica;
use crate::{Context, Scenario, Seen};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::replication::catch_up;
use demo_stack::plan::blueprint::Variants;

pub const SCENARIO: Scenario = Scenario {
    name: "namespace-replica",
    about: "a namespace from the Admin API can be read on the replica (upstream issue 1804)",
    run: |context| run(context).boxed_local(),
};

async fn run(context: &Context<'_>) -> Result<()> {
    let stack = context.start(Variants::NAMESPACED).await?;
    let names: [NamespaceName; 2] = ["shop".parse()?, "blog".parse()?];

    context
        .check("two namespaces are created and written on the primary", "200", async || {
            for name in &names {
                stack.admin()?.create(name).await?;
                let primary = stack.hrana("primary", Some(name))?;
                for sql in ["CREATE TABLE t (x)", &format!("INSERT INTO t VALUES ('{name}')")] {
                    let reply = primary.execute(sql).await?;
                    if !reply.succeeded() {
                        return Ok(Seen::success(&reply));
                    }
                }
            }
            Ok(Seen::when(true, "200"))
        })
        .await;

    let mut works = true;
    for name in &names {
        let title = format!("the replica reaches the primary's index in `{name}`");
        let look = async || {
            let primary = stack.hrana("primary", Some(name))?;
            let index = catch_up(&primary, &stack.hrana("replica", Some(name))?).await?;
            Ok(Seen::when(true, format!("index {index}")))
        };
        works &= expect(context, &title, "the same index", look).await;
        let title = format!("the replica reads the row of `{name}`, and no other");
        let look = async || {
            let replica = stack.hrana("replica", Some(name))?;
            let reply = replica.execute("SELECT group_concat(x) FROM t").await?;
            let good = reply.scalar() == Some(name.as_str());
            let saw = reply.scalar().map_or_else(|| reply.describe(), str::to_owned);
            Ok(Seen::when(good, saw))
        };
        works &= expect(context, &title, name.as_str(), look).await;
        if !works {
            // The check of the other namespace would wait in vain.
            break;
        }
    }
    context.note(if works {
        "works here; upstream issue 1804 is open"
    } else {
        "the limitation of upstream issue 1804"
    });
    Ok(())
}

async fn expect(
    context: &Context<'_>,
    name: &str,
    expected: &str,
    look: impl AsyncFnOnce() -> Result<Seen>,
) -> bool {
    match context.namespace_replica {
        NamespaceReplica::KnownLimitation => context.check_known(name, expected, look).await,
        NamespaceReplica::Pass => context.check(name, expected, look).await,
    }
}
