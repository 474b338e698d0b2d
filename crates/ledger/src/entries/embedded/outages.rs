//! Embedded replicas whose server or namespace disappears.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::support::{Opening, by_number, filled, is, read, rows, run, says, sync, told, write};
use crate::{Area, Engines, Observation, Probe, Verdict};
use demo_base::ready::{Attempt, poll};
use demo_sqld_client::http::Answer;
use demo_stack::engine::Stop;
use demo_stack::plan::Interface;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "embedded-offline-open",
        claim: "An embedded replica opens and reads while its server is down",
        source: "assumption",
        area: Area::Client,
        why: "A restart of the program during an outage must not lose the local copy",
        mitigation: "Leave the crate's feature `sync` off, or set SyncProtocol::V1: else build() \
                     asks the server first",
        how: "sync(), close, stop the server, then build(), read and write (feature `sync` off)",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let name = filled(context, &stack, "offline").await?;
            let folder = context.scratch()?;
            let file = folder.path().join("r.db");
            let opening = Opening::of(&stack, by_number(&stack, "primary")?)?.namespace(&name);
            let replica = opening.replica(&file).await??;
            sync(&replica).await?;
            drop(replica);
            stack.engine.stop("primary", Stop::Kill).await?;
            let (seen, written) = match opening.replica(&file).await? {
                Err(error) => (Err(error), None),
                Ok(replica) => {
                    let seen = rows(&replica).await;
                    (seen, Some(write(&replica, "INSERT INTO t VALUES ('second')").await))
                }
            };
            context.discard(&stack).await?;
            let write_told = written.as_ref().map_or_else(|| "not tried".to_owned(), told);
            let observation = match (is(&seen, "first"), written) {
                (true, Some(Err(_))) => Observation::new(
                    Verdict::Undocumented,
                    "without the feature `sync` it opens and reads offline; a write is an error at \
                     once",
                ),
                (true, Some(Ok(_))) => Observation::new(
                    Verdict::Weakness,
                    "it opens and reads offline, and says that a write worked",
                ),
                _ => Observation::new(Verdict::Differs, format!("offline it says {}", told(&seen))),
            };
            Ok(observation
                .saw("SELECT x FROM t while the server is away", told(&seen))
                .saw("INSERT INTO t while the server is away", write_told))
        }),
    },
    Probe {
        id: "offline-writes-endpoints",
        claim: "The server takes part in the crate's offline writes (`new_synced_database`)",
        source: "libsql crate 0.10.0, Builder::new_synced_database",
        area: Area::Client,
        why: "Rows written offline could never reach this server",
        mitigation: "Use `new_remote_replica`; offline writes need another server",
        how: "GET of what that client asks for, with a token for everything: /info, /export/0, \
              /sync/0/0/0",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.plain().await?;
            let base = format!("http://{}", stack.address("primary", Interface::Http)?);
            let token = stack.full_token()?;
            let mut answers = Vec::new();
            for path in ["/info", "/export/0", "/sync/0/0/0"] {
                let request = context.http().get(format!("{base}{path}"));
                let request = request.bearer_auth(token.expose_secret());
                answers.push((path, Answer::to(request, &base).await?));
            }
            let statuses: Vec<String> =
                answers.iter().map(|(path, answer)| format!("{path} {}", answer.status)).collect();
            let mut observation = if answers.iter().all(|(_, answer)| answer.status == 404) {
                let finding = "the server has none of the endpoints that offline writes need";
                Observation::new(Verdict::Differs, finding)
            } else if answers.iter().all(|(_, answer)| answer.status == 200) {
                Observation::new(Verdict::AsDocumented, "the server has what offline writes need")
            } else {
                Observation::new(
                    Verdict::Differs,
                    format!("the server answers {}", statuses.join(", ")),
                )
            };
            for (path, answer) in &answers {
                observation = observation.answered(format!("GET {path}"), answer);
            }
            Ok(observation)
        }),
    },
    Probe {
        id: "embedded-namespace-recreated",
        claim: "An embedded replica notices that its namespace was deleted, and follows a new one",
        source: "assumption",
        area: Area::Client,
        why: "After the delete every reader still has all rows and keeps reading them",
        mitigation: "Where deletes must take effect, discard the local copy when sync() fails",
        how: "sync(), delete the namespace, sync() and read, make it again with other rows, sync()",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            // Only the primary has ever loaded the namespace, so no replica is harmed.
            let stack = context.namespaced().await?;
            let name = filled(context, &stack, "deleted").await?;
            let folder = context.scratch()?;
            let opening = Opening::of(&stack, by_number(&stack, "primary")?)?.namespace(&name);
            let replica = opening.replica(&folder.path().join("r.db")).await??;
            sync(&replica).await?;
            let admin = stack.admin()?;
            admin.delete(&name).await?;
            let gone = sync(&replica).await;
            let stale = rows(&replica).await;
            admin.create(&name).await?;
            let primary = stack.hrana("primary", Some(&name))?;
            run(&primary, "CREATE TABLE t (x)").await?;
            run(&primary, "INSERT INTO t VALUES ('of the new one')").await?;
            let again = sync(&replica).await;
            let fresh = rows(&replica).await;
            let noticed = says(&gone, "Requested namespace doesn't exist");
            let observation = match (noticed, is(&stale, "first"), is(&fresh, "of the new one")) {
                (true, true, true) => Observation::new(
                    Verdict::Undocumented,
                    "sync() says that the namespace is gone, local reads go on with the old rows, \
                     and a namespace of the same name replaces them",
                ),
                (true, false, true) => Observation::new(
                    Verdict::Undocumented,
                    "sync() says that the namespace is gone, local reads fail, and a namespace of \
                     the same name is followed",
                ),
                _ => Observation::new(
                    Verdict::Weakness,
                    format!(
                        "after the delete sync() {} and reads show {}; made again, reads show {}",
                        if gone.is_ok() {
                            "works".to_owned()
                        } else {
                            format!("says {}", told(&gone))
                        },
                        told(&stale),
                        told(&fresh)
                    ),
                ),
            };
            Ok(observation
                .saw("sync() after the delete, frames", told(&gone))
                .saw("SELECT x FROM t", told(&stale))
                .saw("sync() after it was made again, frames", told(&again))
                .saw("SELECT x FROM t", told(&fresh)))
        }),
    },
    Probe {
        id: "embedded-primary-killed",
        claim: "After a crash of the primary an embedded replica continues where it left off",
        source: "assumption",
        area: Area::Client,
        why: "One crash makes every embedded replica download the whole database again",
        mitigation: "Stop the server with SIGTERM; plan for the traffic after a crash",
        how: "sync(), kill the primary, start it again, sync() and count the frames; the same with \
              a graceful restart as the control",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let name = filled(context, &stack, "killed").await?;
            // About 50 pages, so that a part can be distinguished from the whole.
            let primary = stack.hrana("primary", Some(&name))?;
            run(&primary, "CREATE TABLE large AS SELECT zeroblob(200000) AS x").await?;
            let folder = context.scratch()?;
            let opening = Opening::of(&stack, by_number(&stack, "primary")?)?.namespace(&name);
            let replica = opening.replica(&folder.path().join("r.db")).await??;
            let first = sync(&replica).await;
            let pages = read(&replica, "PRAGMA page_count").await?;
            // Left open, it would keep the server from stopping (see the next probe).
            drop(replica);
            stack.restart("primary", Stop::Graceful).await?;
            let replica = opening.replica(&folder.path().join("r.db")).await??;
            let graceful = sync(&replica).await;
            stack.restart("primary", Stop::Kill).await?;
            let killed = sync(&replica).await;
            let seen = rows(&replica).await;
            context.discard(&stack).await?;
            // Each frame is a page; a snapshot has each page once.
            let share = |outcome: &libsql::Result<usize>| match (outcome, pages.parse::<usize>()) {
                (Ok(0), _) => "nothing".to_owned(),
                (Ok(frames), Ok(pages)) if *frames >= pages => "the whole database".to_owned(),
                (Ok(_), _) => "a part".to_owned(),
                (Err(error), _) => format!("error `{error}`"),
            };
            let right = is(&seen, "first");
            let finding = format!(
                "after a graceful restart sync() brings {}, after a kill {}; the rows {}",
                share(&graceful),
                share(&killed),
                if right { "are right".to_owned() } else { format!("are {}", told(&seen)) }
            );
            let verdict = match (&killed, right) {
                (Ok(0), true) => Verdict::AsDocumented,
                (_, true) => Verdict::Undocumented,
                (_, false) => Verdict::Weakness,
            };
            Ok(Observation::new(verdict, finding)
                .saw("pages of the database", pages)
                .saw("first sync(), frames", told(&first))
                .saw("sync() after a graceful restart, frames", told(&graceful))
                .saw("sync() after a kill, frames", told(&killed))
                .saw("SELECT x FROM t", told(&seen)))
        }),
    },
    Probe {
        id: "embedded-sync-interval",
        claim: "With `sync_interval` the program is told when syncing fails",
        source: "assumption",
        area: Area::Client,
        why: "After the token expires the program serves ever older rows without an error",
        mitigation: "Call sync() yourself and look at its result, or watch `replication_index()`",
        how: "Two replicas with an interval of 20 ms, one with an empty token; once the good one \
              has the rows, read both",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = filled(context, &stack, "interval").await?;
            let folder = context.scratch()?;
            let good = Opening::of(&stack, by_number(&stack, "primary")?)?.namespace(&name);
            let good = Opening { sync_interval: Some(Duration::from_millis(20)), ..good };
            let refused = good.clone().token(SecretString::from(String::new()));
            let refused = refused.replica(&folder.path().join("refused.db")).await?;
            let good = good.replica(&folder.path().join("good.db")).await??;
            poll("the replica syncs by itself", Duration::from_secs(5), async || {
                let seen = rows(&good).await;
                let done = is(&seen, "first");
                Ok(if done { Attempt::Done(()) } else { Attempt::Again(told(&seen)) })
            })
            .await?;
            let seen = match &refused {
                Ok(replica) => rows(replica).await,
                Err(error) => Ok(format!("build() failed: {error}")),
            };
            let observation = if refused.is_err() {
                Observation::new(Verdict::AsDocumented, "build() says that the token is refused")
            } else if says(&seen, "no such table") {
                let finding = "nothing tells that a token is refused: the replica just stays empty";
                Observation::new(Verdict::Undocumented, finding)
            } else {
                Observation::new(Verdict::Undocumented, format!("a read then says {}", told(&seen)))
            };
            Ok(observation
                .saw("SELECT x FROM t with a good token", "first")
                .saw("SELECT x FROM t with an empty token", told(&seen)))
        }),
    },
];
