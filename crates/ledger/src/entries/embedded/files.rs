//! What an embedded replica does with the file that it finds.

use libsql::Builder;

use super::support::{Opening, by_number, filled, is, rows, run, says, sync, told, write};
use crate::{Area, Engines, Observation, Probe, Verdict};

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "embedded-over-a-plain-file",
        claim: "An embedded replica does not overwrite a file that is no replica",
        source: "libsql crate 0.10.0, Builder: \"will throw an error to prevent any misuse\"",
        area: Area::Client,
        why: "The path of a local database in the wrong place must not cost its rows",
        mitigation: "Give replicas a folder of their own; delete a file that lost its \
                     `-client_wal_index`",
        how: "build() with the path of a plain SQLite file, then a look at its rows",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = filled(context, &stack, "plain").await?;
            let folder = context.scratch()?;
            let file = folder.path().join("plain.db");
            let plain = Builder::new_local(&file).build().await?;
            write(&plain, "CREATE TABLE t (x)").await?;
            write(&plain, "INSERT INTO t VALUES ('local')").await?;
            drop(plain);
            let opening = Opening::of(&stack, by_number(&stack, "primary")?)?.namespace(&name);
            let built = match opening.replica(&file).await? {
                Ok(replica) => sync(&replica).await.map(|frames| format!("synced {frames} frames")),
                Err(error) => Err(error),
            };
            let kept = rows(&Builder::new_local(&file).build().await?).await;
            let observation = match (says(&built, "without a wal_index"), is(&kept, "local")) {
                (true, true) => Observation::new(
                    Verdict::AsDocumented,
                    "build() refuses a file without its wal_index and leaves its rows alone",
                ),
                (_, false) => {
                    let finding = format!("the file's own row is gone; it now has {}", told(&kept));
                    Observation::new(Verdict::Weakness, finding)
                }
                (false, true) => {
                    Observation::new(Verdict::Differs, format!("the replica says {}", told(&built)))
                }
            };
            Ok(observation
                .saw("build() and sync() on a plain file", told(&built))
                .saw("SELECT x FROM t in the file", told(&kept)))
        }),
    },
    Probe {
        id: "embedded-file-changed-locally",
        claim: "A change to a replica's file by another program is noticed",
        source: "assumption",
        area: Area::Client,
        why: "A cron job or a shell that writes to the file loses its rows without an error",
        mitigation: "Other programs should open a replica's file read-only, or not at all",
        how: "A row written to the closed file as to any SQLite file; sync() before and after the \
              primary has a new row of its own",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = filled(context, &stack, "changed").await?;
            let folder = context.scratch()?;
            let file = folder.path().join("r.db");
            let opening = Opening::of(&stack, by_number(&stack, "primary")?)?.namespace(&name);
            let replica = opening.replica(&file).await??;
            sync(&replica).await?;
            drop(replica);
            let plain = Builder::new_local(&file).build().await?;
            write(&plain, "INSERT INTO t VALUES ('local')").await?;
            drop(plain);

            let replica = opening.replica(&file).await??;
            let quiet = sync(&replica).await;
            let before = rows(&replica).await;
            run(&stack.hrana("primary", Some(&name))?, "INSERT INTO t VALUES ('second')").await?;
            let news = sync(&replica).await;
            let after = rows(&replica).await;
            let told_nobody = quiet.is_ok() && news.is_ok();
            let observation = match (told_nobody, before.as_deref(), after.as_deref()) {
                (true, Ok("first, local"), Ok("first, second")) => Observation::new(
                    Verdict::Weakness,
                    "the local row is shown until the primary writes, then it is lost without an \
                     error",
                ),
                (true, Ok("first"), Ok("first, second")) => Observation::new(
                    Verdict::Weakness,
                    "the local row is lost at the next sync without an error",
                ),
                (false, _, _) => Observation::new(
                    Verdict::AsDocumented,
                    format!("sync() says {}, then {}", told(&quiet), told(&news)),
                ),
                _ => Observation::new(
                    Verdict::Weakness,
                    format!("the replica shows {}, then {}", told(&before), told(&after)),
                ),
            };
            Ok(observation
                .saw("sync() after the local row, frames", told(&quiet))
                .saw("SELECT x FROM t", told(&before))
                .saw("sync() after a row of the primary, frames", told(&news))
                .saw("SELECT x FROM t", told(&after)))
        }),
    },
];
