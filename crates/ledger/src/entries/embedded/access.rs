//! What an embedded replica may replicate, and from where.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::SecretString;

use super::support::{
    Opening, by_name, by_number, filled, is, read, rows, run, says, sync, told, write,
};
use crate::{Area, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld::claims::Grant;

/// For any token of a probe.
const TOKEN_LIFE: Duration = Duration::from_secs(600);

/// What the crate says after three handshakes, a second apart.
const HANDSHAKE: &str = "Timeout performing handshake with primary";

/// What the server says of a namespace that it does not have.
const NO_NAMESPACE: &str = "Requested namespace doesn't exist";

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "embedded-scoped-token",
        claim: "A token for one namespace lets an embedded replica replicate that namespace only",
        source: "docs/USER_GUIDE, Client Authentication",
        area: Area::Security,
        why: "Anyone with any valid token can copy every namespace with the official client",
        mitigation: "One server for each tenant, or a gateway that lets no gRPC-web call \
                     (`/wal_log.ReplicationLog/`, `/proxy.Proxy/`) through to the HTTP port",
        how: "An embedded replica with a token for one namespace asks for another: sync, read, \
              write",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let own = context.namespace(&stack, "own").await?;
            let foreign = filled(context, &stack, "foreign").await?;
            let grant =
                Grant { namespaces: vec![own], lifetime: Some(TOKEN_LIFE), ..Grant::default() };
            let folder = context.scratch()?;
            let opening = Opening::of(&stack, by_number(&stack, "primary")?)?;
            let opening = opening.namespace(&foreign).token(stack.token(&grant)?);
            let replica = opening.replica(&folder.path().join("r.db")).await??;
            let synced = sync(&replica).await;
            let seen = rows(&replica).await;
            let written = write(&replica, "INSERT INTO t VALUES ('second')").await;
            let observation = match (is(&seen, "first"), &written) {
                (true, Ok(_)) => Observation::new(
                    Verdict::Weakness,
                    "a token for one namespace reads and writes another through an embedded \
                     replica",
                ),
                (true, Err(_)) => Observation::new(
                    Verdict::Weakness,
                    "a token for one namespace replicates another with the official client; only \
                     writes are refused",
                ),
                (false, Ok(_)) => Observation::new(
                    Verdict::Weakness,
                    "a token for one namespace writes to another through an embedded replica",
                ),
                (false, Err(_)) => Observation::new(
                    Verdict::AsDocumented,
                    "a token for one namespace neither replicates nor writes another",
                ),
            };
            Ok(observation
                .saw("sync() of the other namespace, frames", told(&synced))
                .saw("SELECT x FROM t", told(&seen))
                .saw("INSERT INTO t", told(&written)))
        }),
    },
    Probe {
        id: "embedded-refused-token",
        claim: "An embedded replica reports a token that the server refuses as such",
        source: "assumption",
        area: Area::Client,
        why: "An expired token looks like a network fault, and the search begins at the wrong end",
        mitigation: "On this message try the same token over HTTP first: `demo sql` tells the \
                     two apart",
        how: "sync() with an expired token, with an empty one, and to a port where nobody listens",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = filled(context, &stack, "refused").await?;
            let folder = context.scratch()?;
            let hour_ago = Timestamp::now() - Duration::from_secs(3600);
            let expired = stack.token_at(&Grant::full(Duration::from_secs(60)), hour_ago)?;
            // A bound socket that does not listen refuses, and nobody else gets its port.
            let deaf = tokio::net::TcpSocket::new_v4()?;
            deaf.bind(([127, 0, 0, 1], 0).into())?;
            let nowhere = format!("http://{}", deaf.local_addr()?);

            let opening = Opening::of(&stack, by_number(&stack, "primary")?)?.namespace(&name);
            let cases = [
                ("an expired token", opening.clone().token(expired)),
                ("an empty token", opening.clone().token(SecretString::from(String::new()))),
                ("nobody at the port", Opening { url: nowhere, ..opening }),
            ];
            let since = Instant::now();
            let attempts = cases.iter().enumerate().map(async |(number, (_, opening))| {
                let replica =
                    opening.replica(&folder.path().join(format!("{number}.db"))).await??;
                Ok::<_, anyhow::Error>(sync(&replica).await)
            });
            let outcomes = futures::future::try_join_all(attempts).await?;
            let slow = since.elapsed() > Duration::from_secs(2);
            let timeouts: Vec<bool> =
                outcomes.iter().map(|outcome| says(outcome, HANDSHAKE)).collect();
            let mut observation = match (timeouts.as_slice(), slow) {
                ([true, true, true], true) => Observation::new(
                    Verdict::Undocumented,
                    "a refused token and a dead server are told alike: a handshake timeout, \
                     seconds later",
                ),
                ([false, false, true], _) if outcomes[..2].iter().all(Result::is_err) => {
                    Observation::new(Verdict::AsDocumented, "a refused token is told as such")
                }
                _ => Observation::new(
                    Verdict::Undocumented,
                    format!(
                        "the three are told as {}",
                        outcomes.iter().map(told).collect::<Vec<_>>().join("; ")
                    ),
                ),
            };
            for ((what, _), outcome) in cases.iter().zip(&outcomes) {
                observation = observation.saw(format!("sync() with {what}"), told(outcome));
            }
            Ok(observation)
        }),
    },
    Probe {
        id: "embedded-namespace",
        claim: "`.namespace()` of an embedded replica selects the namespace, writes included",
        source: "libsql crate 0.10.0, Builder::namespace",
        area: Area::Client,
        why: "It needs no name in DNS for each namespace, unlike the remote client",
        mitigation: "Use `.namespace()` with embedded replicas, and the host's name with \
                     `new_remote`",
        how: "url http://127.0.0.1:PORT and `.namespace(NAME)`: sync, read, write, read at the \
              primary",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            sync_read_write(context, "primary", "an embedded replica with `.namespace()`").await
        }),
    },
    Probe {
        id: "embedded-namespace-of-an-address",
        claim: "An embedded replica without `.namespace()` follows the default namespace",
        source: "assumption",
        area: Area::Client,
        why: "The crate takes all before the URL's first dot, so 127.0.0.1 means namespace `127`",
        mitigation: "Always set `.namespace()`, or write the URL with localhost",
        how: "sync() from http://127.0.0.1:PORT and from http://localhost:PORT of the same server",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context
                .primary(|plan| {
                    for service in &mut plan.services {
                        service.command.retain(|word| word != "--disable-default-namespace");
                    }
                    Ok(())
                })
                .await?;
            let default = stack.hrana("primary", None)?;
            run(&default, "CREATE TABLE t (x)").await?;
            run(&default, "INSERT INTO t VALUES ('of the default')").await?;
            let folder = context.scratch()?;
            let mut outcomes = Vec::new();
            for (file, url) in [
                ("number.db", by_number(&stack, "primary")?),
                ("name.db", by_name(&stack, "primary", "localhost")?),
            ] {
                let replica =
                    Opening::of(&stack, url)?.replica(&folder.path().join(file)).await??;
                outcomes.push(match sync(&replica).await {
                    Ok(_) => rows(&replica).await,
                    Err(error) => Err(error),
                });
            }
            context.discard(&stack).await?;
            let finding = match (&outcomes[0], &outcomes[1]) {
                (number, name) if says(number, NO_NAMESPACE) && is(name, "of the default") => {
                    "with 127.0.0.1 in the URL the namespace `127` is asked for, which does not \
                     exist; with localhost the default one"
                        .to_owned()
                }
                (number, name) if is(number, "of the default") && is(name, "of the default") => {
                    let finding = "with 127.0.0.1 and with localhost the default namespace is \
                                   followed";
                    return Ok(Observation::new(Verdict::AsDocumented, finding));
                }
                (number, name) => format!("127.0.0.1: {}; localhost: {}", told(number), told(name)),
            };
            Ok(Observation::new(Verdict::Undocumented, finding)
                .saw("sync() from http://127.0.0.1", told(&outcomes[0]))
                .saw("sync() from http://localhost", told(&outcomes[1])))
        }),
    },
    Probe {
        id: "embedded-replica-of-a-replica",
        claim: "An embedded replica can follow a replica instead of the primary",
        source: "assumption",
        area: Area::Client,
        why: "Readers far from the primary can sync from a server near them",
        mitigation: "None needed; the writes still need the primary",
        how: "An embedded replica with the URL of a replica: sync, read, write, read at the \
              primary",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            sync_read_write(context, "replica", "an embedded replica of a replica").await
        }),
    },
    Probe {
        id: "embedded-read-your-writes",
        claim: "An embedded replica sees its own write at once, unless `read_your_writes(false)`",
        source: "libsql crate 0.10.0, Builder::read_your_writes",
        area: Area::Client,
        why: "Switched off, code that reads back what it has just written finds the old state",
        mitigation: "Leave `read_your_writes` on, or `sync()` before reading back",
        how: "A write and a read of it with the default, with `false`, and with `false` after \
              sync()",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const COUNT: &str = "SELECT count(*) FROM t";
            let stack = context.namespaced().await?;
            let name = filled(context, &stack, "own").await?;
            let folder = context.scratch()?;
            let on = Opening::of(&stack, by_number(&stack, "primary")?)?.namespace(&name);
            let off = Opening { read_your_writes: false, ..on.clone() };
            let on = on.replica(&folder.path().join("on.db")).await??;
            sync(&on).await?;
            write(&on, "INSERT INTO t VALUES ('second')").await?;
            let with = read(&on, COUNT).await;
            let off = off.replica(&folder.path().join("off.db")).await??;
            sync(&off).await?;
            write(&off, "INSERT INTO t VALUES ('third')").await?;
            let without = read(&off, COUNT).await;
            sync(&off).await?;
            let synced = read(&off, COUNT).await;
            let finding = match (is(&with, "2"), is(&without, "2"), is(&synced, "3")) {
                (true, true, true) => {
                    "an own write is seen at once; with `false` only after the next sync".to_owned()
                }
                _ => format!(
                    "of 2, 2 and 3 rows the replica has {}, {} and {}",
                    told(&with),
                    told(&without),
                    told(&synced)
                ),
            };
            let documented = finding.starts_with("an own write");
            let verdict = if documented { Verdict::AsDocumented } else { Verdict::Differs };
            Ok(Observation::new(verdict, finding)
                .saw("count after the 2nd row, by default", told(&with))
                .saw("count after the 3rd row, with `false`", told(&without))
                .saw("count after sync(), with `false`", told(&synced)))
        }),
    },
];

/// Sync, read and write through `service`, and look for the write at the primary.
async fn sync_read_write(
    context: &ProbeContext<'_>,
    service: &str,
    who: &str,
) -> Result<Observation> {
    let stack = context.namespaced().await?;
    let name = filled(context, &stack, "embedded").await?;
    let folder = context.scratch()?;
    let opening = Opening::of(&stack, by_number(&stack, service)?)?.namespace(&name);
    let replica = opening.replica(&folder.path().join("r.db")).await??;
    let synced = sync(&replica).await;
    let seen = rows(&replica).await;
    let written = write(&replica, "INSERT INTO t VALUES ('second')").await;
    let count = stack.hrana("primary", Some(&name))?.execute("SELECT count(*) FROM t").await?;
    let arrived = count.scalar() == Some("2");
    let observation = match (is(&seen, "first"), written.is_ok() && arrived) {
        (true, true) => {
            Observation::new(Verdict::AsDocumented, format!("{who} syncs, reads and writes"))
        }
        (true, false) => Observation::new(
            Verdict::Differs,
            format!("{who} syncs and reads, and its write says {}", told(&written)),
        ),
        (false, true) => Observation::new(
            Verdict::Differs,
            format!("{who} writes, and its read says {}", told(&seen)),
        ),
        (false, false) => {
            Observation::new(Verdict::Differs, format!("{who} says {}", told(&synced)))
        }
    };
    Ok(observation
        .saw("sync(), frames", told(&synced))
        .saw("SELECT x FROM t", told(&seen))
        .saw("INSERT INTO t", told(&written))
        .saw("SELECT count(*) at the primary", count.scalar().unwrap_or("none")))
}
