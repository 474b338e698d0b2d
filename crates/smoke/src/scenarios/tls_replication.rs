//! Mutual TLS admits the replica with the right certificate, and no other.
//!
//! A rejected replica stays up, answers `/health` with 200 and logs one WARN line (measured on sqld
//! 0.24.32). Each replica is therefore judged by its log and by the content of its files, with the
//! good replica as the control.

use std::path::Path;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;

use crate::{Context, Error, Scenario, Seen};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld_client::replication::catch_up;
use demo_stack::credentials::store::Store;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::blueprint::Variants;
use demo_stack::plan::{Interface, ServicePlan, StackPlan};

pub const SCENARIO: Scenario = Scenario {
    name: "tls-replication",
    about: "mutual TLS admits the replica with the right certificate, and no other",
    run: |context| run(context).boxed_local(),
};

const WITHOUT_TLS: &str = "replica-without-tls";
const FOREIGN_CA: &str = "replica-of-another-ca";
/// A text that only the primary's rows contain.
const MARKER: &str = "marker-5f0c2a-of-the-primary";
/// What a replica logs when it cannot connect to its primary.
const REFUSAL: &str = "error connecting to primary";
const REFUSAL_DEADLINE: Duration = Duration::from_secs(10);

async fn run(context: &Context<'_>) -> Result<()> {
    let stack = context.start_changed(Variants::TLS, add_intruders).await?;
    let primary = stack.hrana("primary", None)?;
    let replica = stack.hrana("replica", None)?;

    context
        .check("the primary accepts rows", "200", async || {
            let reply = primary.execute("CREATE TABLE t (x)").await?;
            if !reply.succeeded() {
                return Ok(Seen::success(&reply));
            }
            let insert = format!("INSERT INTO t VALUES ('{MARKER}')");
            Ok(Seen::success(&primary.execute(&insert).await?))
        })
        .await;
    context
        .check("the replica with the client certificate catches up", "the same index", async || {
            let index = catch_up(&primary, &replica).await?;
            Ok(Seen::when(true, format!("index {index}")))
        })
        .await;
    context
        .check("and has the primary's rows", "the row", async || {
            let reply = replica.execute("SELECT x FROM t").await?;
            let saw = reply.scalar().map_or_else(|| reply.describe(), str::to_owned);
            Ok(Seen::when(saw == MARKER, saw))
        })
        .await;
    context
        .check("its files hold the row (the control)", "found", async || {
            // A single check may fall between the write-ahead log and the database, while the
            // server moves the row from one to the other.
            let folder = data_dir(stack.service("replica")?)?;
            let found = poll("the row is in a file", REFUSAL_DEADLINE, async || {
                Ok(if holds_marker(&folder)? {
                    Attempt::Done("found")
                } else {
                    Attempt::Again("no row".to_owned())
                })
            });
            Ok(Seen::when(true, found.await?))
        })
        .await;
    for (service, what) in
        [(WITHOUT_TLS, "a replica without TLS"), (FOREIGN_CA, "a replica of another CA")]
    {
        let title = format!("{what} is rejected, and logs it");
        context.check(&title, REFUSAL, async || says_refused(&stack, service).await).await;
        let title = format!("{what} receives no data");
        context
            .check(&title, "alive, without the row", async || gets_nothing(&stack, service).await)
            .await;
    }
    Ok(())
}

/// Adds a replica without TLS, and one whose certificate is signed by another CA.
fn add_intruders(plan: &mut StackPlan, folder: &Path) -> Result<()> {
    let good = plan.service("replica")?.clone();

    let mut without = intruder(&good, WITHOUT_TLS, folder);
    let with_value =
        |flag: &str| flag.starts_with("--primary-grpc-") && flag != "--primary-grpc-tls";
    let mut words = without.command.into_iter();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        if with_value(&word) {
            words.next();
        } else if word != "--primary-grpc-tls" {
            kept.push(word);
        }
    }
    without.command = kept;
    if let Some(url) = without.environment.get_mut("SQLD_PRIMARY_URL") {
        *url = url.replace("https://", "http://");
    }

    let other = folder.join("other-ca");
    Store::new(&other).ensure_certs(Timestamp::now(), false)?;
    let mut foreign = intruder(&good, FOREIGN_CA, folder);
    for mount in &mut foreign.mounts {
        if let Ok(file) = mount.source.strip_prefix(folder.join(".local/certs")) {
            // It trusts the primary, so only its own certificate can be the reason for the
            // rejection.
            if file != Path::new("ca_cert.pem") {
                mount.source = other.join("certs").join(file);
            }
        }
    }
    plan.services.extend([without, foreign]);
    Ok(())
}

/// A copy of the good replica with a different name and data folder.
fn intruder(good: &ServicePlan, name: &str, folder: &Path) -> ServicePlan {
    let mut service = ServicePlan { name: name.to_owned(), ..good.clone() };
    for mount in service.mounts.iter_mut().filter(|mount| !mount.read_only) {
        mount.source = folder.join(".local/data").join(name);
    }
    service
}

/// A replica connects at its first request, which then hangs.
async fn says_refused(stack: &EphemeralStack, service: &str) -> Result<Seen> {
    let replica = stack.hrana(service, None)?;
    let said = poll("the replica logs why it is rejected", REFUSAL_DEADLINE, async || {
        let log = stack.engine.logs(service, None).await?;
        let said = log.lines().find(|line| line.contains(REFUSAL));
        Ok(match said {
            Some(line) => Attempt::Done(line.to_owned()),
            None => Attempt::Again(log.lines().last().unwrap_or("an empty log").to_owned()),
        })
    });
    let asked = async {
        match replica.execute("SELECT x FROM t").await {
            Ok(reply) if reply.succeeded() => reply.describe(),
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        answer = asked => Ok(Seen::when(false, format!("it answered {answer}"))),
        line = said => {
            let line = line?;
            let from = line.find(REFUSAL).unwrap_or_default();
            Ok(Seen::when(true, &line[from..]))
        }
    }
}

async fn gets_nothing(stack: &EphemeralStack, service: &str) -> Result<Seen> {
    let address = stack.address(service, Interface::Http)?;
    let health = stack.http.get(format!("http://{address}/health")).send().await?.status();
    let found = holds_marker(&data_dir(stack.service(service)?)?)?;
    let saw =
        format!("/health {}, row {}", health.as_u16(), if found { "found" } else { "not found" });
    Ok(Seen::when(health.is_success() && !found, saw))
}

fn data_dir(service: &ServicePlan) -> Result<std::path::PathBuf, Error> {
    let mount = service.mounts.iter().find(|mount| !mount.read_only);
    let mount = mount.ok_or_else(|| Error::NoHostFolder { service: service.name.clone() })?;
    Ok(mount.source.clone())
}

/// Whether any file under `folder` contains the marker.
fn holds_marker(folder: &Path) -> Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            holds_marker(&path)?
        } else {
            let bytes = std::fs::read(&path)?;
            bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes())
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
