//! Embedded replicas of the `libsql` crate: up to date, stale within a bound, readable offline, and
//! repaired after a reset.
//!
//! The scenario uses the crate directly for what it promises, and [`Replica`], which the commands
//! use, for what the crate leaves to its users.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::FutureExt;
use libsql::{Database, Value};
use secrecy::SecretString;

use crate::{Context, Error, Scenario, Seen};
use demo_base::error::{Result, find};
use demo_base::ready::{Attempt, poll};
use demo_sqld::claims::Grant;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::embedded::{Freshness, Notice, Replica, Source, pull};
use demo_sqld_client::endpoint::Endpoint;
use demo_sqld_client::hrana::Hrana;
use demo_sqld_client::http::excerpt;
use demo_stack::engine::Stop;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;
use demo_stack::plan::blueprint::Variants;

pub const SCENARIO: Scenario = Scenario {
    name: "embedded-replica",
    about: "an embedded replica is fresh within a bound, readable offline, and repairs itself",
    run: |context| run(context).boxed_local(),
};

/// How often the background sync runs.
const INTERVAL: Duration = Duration::from_millis(100);
/// The additional time that a loaded machine may need.
const MARGIN: Duration = Duration::from_millis(900);
/// How often the staleness is measured.
const ROUNDS: usize = 3;
const TOKEN_LIFE: Duration = Duration::from_secs(600);

async fn run(context: &Context<'_>) -> Result<()> {
    let stack = context.start(Variants::NAMESPACED).await?;
    let names: [NamespaceName; 2] = ["shop".parse()?, "blog".parse()?];
    for name in &names {
        stack.admin()?.create(name).await?;
        let primary = stack.hrana("primary", Some(name))?;
        write(&primary, "CREATE TABLE t (x)").await?;
        write(&primary, &format!("INSERT INTO t VALUES ('{name}')")).await?;
    }
    let bench = Bench { stack: &stack, name: &names[0] };
    bench.own_writes(context).await?;
    bench.staleness(context).await?;
    bench.tokens(context, &names[1]).await?;
    bench.offline(context).await?;
    bench.reset(context).await
}

struct Bench<'a> {
    stack: &'a EphemeralStack,
    name: &'a NamespaceName,
}

impl Bench<'_> {
    async fn own_writes(&self, context: &Context<'_>) -> Result<()> {
        let replica = self.embedded("own.db", self.name, &self.stack.full_token()?, None).await?;
        context
            .check("the first sync brings the rows", "1 row", async || {
                replica.sync().await?;
                rows(&replica, 1).await
            })
            .await;
        context
            .check("its own write is visible at once", "2 rows", async || {
                replica.connect()?.execute("INSERT INTO t VALUES ('own')", ()).await?;
                rows(&replica, 2).await
            })
            .await;
        context
            .check("another's write is visible after a sync, not before", "2, then 3", async || {
                write(&self.primary()?, "INSERT INTO t VALUES ('of another')").await?;
                let before = count(&replica).await?;
                replica.sync().await?;
                let after = count(&replica).await?;
                Ok(Seen::when((before, after) == (2, 3), format!("{before}, then {after}")))
            })
            .await;
        Ok(())
    }

    async fn staleness(&self, context: &Context<'_>) -> Result<()> {
        let token = self.stack.full_token()?;
        let replica = self.embedded("background.db", self.name, &token, Some(INTERVAL)).await?;
        let expected = format!("within {} ms", (INTERVAL + MARGIN).as_millis());
        context
            .check("a background sync keeps staleness within its interval", &expected, async || {
                let primary = self.primary()?;
                let mut longest = Duration::ZERO;
                for round in 0..ROUNDS {
                    write(&primary, &format!("INSERT INTO t VALUES ('round {round}')")).await?;
                    let since = Instant::now();
                    let sql = format!("SELECT count(*) FROM t WHERE x = 'round {round}'");
                    poll("the replica shows the row", Duration::from_secs(5), async || {
                        // Before its first sync the table does not exist.
                        let seen = number(&replica, &sql).await.unwrap_or_default();
                        let there = seen == 1;
                        Ok(if there { Attempt::Done(()) } else { Attempt::Again("no row".into()) })
                    })
                    .await?;
                    longest = longest.max(since.elapsed());
                }
                let text = format!(
                    "{} ms at most in {ROUNDS} rounds, interval {} ms",
                    longest.as_millis(),
                    INTERVAL.as_millis()
                );
                Ok(Seen::when(longest <= INTERVAL + MARGIN, text))
            })
            .await;
        Ok(())
    }

    async fn tokens(&self, context: &Context<'_>, other: &NamespaceName) -> Result<()> {
        let namespaces = vec![self.name.clone()];
        let lifetime = Some(TOKEN_LIFE);
        let scoped = self.stack.token(&Grant { namespaces, lifetime, ..Grant::default() })?;
        context
            .check("a token for one namespace syncs that one", "a sync", async || {
                let mut replica = self.replica("scoped", self.name, &scoped).await?;
                let synced = replica.sync().await?;
                let index = synced.index_after;
                Ok(Seen::when(index.is_some(), format!("index {}", index.unwrap_or_default())))
            })
            .await;
        context
            .check(
                "demo refuses it for another namespace, and an empty token",
                "refused and refused",
                async || {
                    let empty = SecretString::from(String::new());
                    let mut outcomes = Vec::new();
                    for token in [&scoped, &empty] {
                        let mut replica = self.replica("refused", other, token).await?;
                        let outcome = replica.sync().await;
                        outcomes.push(match &outcome {
                            Ok(_) => "a sync",
                            Err(error) => match find::<demo_sqld_client::Error>(error) {
                                Some(refusal) if refusal.is_refusal() => "refused",
                                _ => "another error",
                            },
                        });
                    }
                    let good = outcomes.iter().all(|outcome| *outcome == "refused");
                    Ok(Seen::when(good, outcomes.join(" and ")))
                },
            )
            .await;
        // The server's own weakness (`demo probe`, `embedded-scoped-token`).
        let refused = context
            .check_known("the server refuses it for another namespace", "a refusal", async || {
                let replica = self.embedded("foreign.db", other, &scoped, None).await?;
                Ok(match replica.sync().await {
                    Err(error) => Seen::when(true, error.to_string()),
                    Ok(_) => Seen::when(
                        false,
                        format!("{} row of the other namespace", count(&replica).await?),
                    ),
                })
            })
            .await;
        if !refused {
            context.note("a token for one namespace replicates any other");
        }
        Ok(())
    }

    async fn offline(&self, context: &Context<'_>) -> Result<()> {
        let token = self.stack.full_token()?;
        let mut replica = self.replica("mine", self.name, &token).await?;
        replica.sync().await?;
        drop(replica);
        self.stack.engine.stop("primary", Stop::Kill).await?;
        context
            .check(
                "while the primary is away the copy is read, with a note on its age",
                "6 rows",
                async || {
                    let mut replica = self.replica("mine", self.name, &token).await?;
                    let seen = self.seen(&mut replica).await?;
                    let told = replica.notices();
                    let stale = matches!(told.as_slice(), [Notice::Stale { .. }]);
                    Ok(Seen::when(seen == 6 && stale, format!("{seen} rows{}", says(&told))))
                },
            )
            .await;
        context
            .check("and a write fails", "an error", async || {
                let replica = self.embedded("own.db", self.name, &token, None).await?;
                let outcome = replica.connect()?.execute("INSERT INTO t VALUES (1)", ()).await;
                Ok(match outcome {
                    Ok(count) => Seen::when(false, format!("{count} row written")),
                    Err(error) => Seen::when(true, excerpt(&error.to_string())),
                })
            })
            .await;
        self.stack.resume("primary").await
    }

    async fn reset(&self, context: &Context<'_>) -> Result<()> {
        let token = self.stack.full_token()?;
        context
            .check("after a crash of the primary the copy is fetched again", "6 rows", async || {
                let mut replica = self.replica("mine", self.name, &token).await?;
                let seen = self.seen(&mut replica).await?;
                let told = replica.notices();
                let again = matches!(told.as_slice(), [Notice::FetchedAgain { .. }]);
                Ok(Seen::when(seen == 6 && again, format!("{seen} rows{}", says(&told))))
            })
            .await;
        context
            .check("a namespace that was recreated replaces the copy", "1 row", async || {
                let admin = self.stack.admin()?;
                admin.delete(self.name).await?;
                admin.create(self.name).await?;
                write(&self.primary()?, "CREATE TABLE t (x)").await?;
                write(&self.primary()?, "INSERT INTO t VALUES ('new')").await?;
                let mut replica = self.replica("mine", self.name, &token).await?;
                let seen = self.seen(&mut replica).await?;
                let told = replica.notices();
                let again = matches!(told.as_slice(), [Notice::FetchedAgain { .. }]);
                Ok(Seen::when(seen == 1 && again, format!("{seen} rows{}", says(&told))))
            })
            .await;
        Ok(())
    }

    fn primary(&self) -> Result<Hrana> {
        self.stack.hrana("primary", Some(self.name))
    }

    fn endpoint(&self, name: &NamespaceName) -> Result<Endpoint> {
        Ok(Endpoint::local(self.stack.address("primary", Interface::Http)?, Some(name)))
    }

    /// A replica of the crate itself.
    async fn embedded(
        &self,
        file: &str,
        name: &NamespaceName,
        token: &SecretString,
        interval: Option<Duration>,
    ) -> Result<Database> {
        let file = self.folder("crate")?.join(file);
        Ok(pull::open(&file, &self.endpoint(name)?, token, interval).await??)
    }

    /// A replica as the commands use it, in a separate folder.
    async fn replica(
        &self,
        folder: &str,
        name: &NamespaceName,
        token: &SecretString,
    ) -> Result<Replica> {
        let anonymous = self.stack.anonymous("primary", Some(name))?;
        let source = Source {
            endpoint: self.endpoint(name)?,
            token: token.clone(),
            hrana: anonymous.clone().token(token),
            anonymous,
        };
        Replica::open(&self.folder(folder)?, Some(name), source).await
    }

    fn folder(&self, name: &str) -> Result<std::path::PathBuf> {
        let folder: &Path = self.stack.folder();
        let folder = folder.join("embedded").join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The number of rows in the copy, which is made as fresh as possible.
    async fn seen(&self, replica: &mut Replica) -> Result<i64> {
        replica.freshen(Freshness::Latest).await?;
        let text = "SELECT count(*) FROM t";
        let table = replica.read(async |client| Ok(client.look(text).await?)).await?;
        table.integer().ok_or_else(|| Error::experiment("the copy counted nothing").into())
    }
}

/// The notices for the user, on one line.
fn says(notices: &[Notice]) -> String {
    let text = |notice: &Notice| match notice {
        Notice::Stale { why, .. } => format!(", as of the last sync: {why}"),
        Notice::FetchedAgain { why } => format!(", fetched again: {why}"),
        Notice::SetAside { file } => format!(", set aside as {}", file.display()),
        Notice::Behind { why } => format!(", behind: {why}"),
    };
    notices.iter().map(text).collect()
}

/// Checks the number of rows in the replica.
async fn rows(replica: &Database, expected: i64) -> Result<Seen> {
    let seen = count(replica).await?;
    Ok(Seen::when(seen == expected, format!("{seen} rows")))
}

async fn count(replica: &Database) -> Result<i64> {
    number(replica, "SELECT count(*) FROM t").await
}

async fn number(replica: &Database, sql: &str) -> Result<i64> {
    let mut rows = replica.connect()?.query(sql, ()).await?;
    let row = rows.next().await?;
    match row.map(|row| row.get_value(0)).transpose()? {
        Some(Value::Integer(number)) => Ok(number),
        other => Err(Error::experiment(format!("not a number: {other:?}")).into()),
    }
}

async fn write(server: &Hrana, sql: &str) -> Result<()> {
    let reply = server.execute(sql).await?;
    if reply.succeeded() {
        return Ok(());
    }
    Err(Error::experiment_saw(format!("`{sql}` failed"), reply.describe()).into())
}
