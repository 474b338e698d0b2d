//! What an operator meets.

use std::time::Duration;

use reqwest::Method;

use super::http_api::wire::{Wire, scalar, verdict_of};
use super::recovery::fixtures::{ask, data_dir, given};
use crate::{Area, Ended, Engines, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::engine::{ServiceState, Stop};
use demo_stack::plan::StackPlan;
use demo_stack::plan::blueprint::Variants;

const BINARY_ONLY: Engines =
    Engines::NativeOnly("it runs the server binary by itself, which the container has its own");

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "no-variables-for-namespaces",
        claim: "Every flag of the server has a variable",
        source: "docs/DOCKER: configured by the environment",
        area: Area::Operations,
        why: "A container configured only by variables cannot have namespaces or TLS",
        mitigation: "Give the flags in `command`, whose first word must be /bin/sqld",
        how: "Reads sqld --help for flags without [env: …]",
        engines: BINARY_ONLY,
        check: &Probe::check(async |context| {
            const TELLING: [&str; 4] = [
                "--enable-namespaces",
                "--disable-default-namespace",
                "--grpc-tls",
                "--enable-http-console",
            ];
            let text = help(context).await?;
            let mut without = Vec::new();
            // A flag's variable stands below it, before the next flag.
            for line in text.lines().map(str::trim_start) {
                if line.starts_with('-') {
                    let flag = line.split_whitespace().find(|word| word.starts_with("--"));
                    without.extend(flag.map(str::to_owned));
                } else if line.starts_with("[env: ") {
                    without.pop();
                }
            }
            let missing: Vec<&str> = TELLING
                .into_iter()
                .filter(|flag| without.iter().any(|other| other == flag))
                .collect();
            let (verdict, finding) = if missing.is_empty() {
                (Verdict::AsDocumented, "each of these flags has a variable".to_owned())
            } else {
                (Verdict::Differs, format!("no variable for {}", missing.join(", ")))
            };
            Ok(Observation::new(verdict, finding)
                .saw("flags without a variable", without.join(" ")))
        }),
    },
    Probe {
        id: "health-is-not-readiness",
        claim: "/health says that the server is up and running",
        source: "docs/http_api.md, /health",
        area: Area::Operations,
        why: "A load balancer sends requests to a replica where they hang",
        mitigation: "Check with a SELECT and a deadline; watch the replication index",
        how: "Kills the primary, then asks the replica's /health, and writes through it",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const PATIENCE: Duration = Duration::from_secs(2);
            let stack = context.own(Variants::DEFAULT, |_, _| Ok(())).await?;
            let replica = Wire::new(&stack, "replica")?;
            let before = replica.execute("SELECT 1").await?;
            if verdict_of(&before) != "ok" {
                return Err(
                    Error::experiment_saw("the replica does not follow", before.body).into()
                );
            }
            stack.engine.stop("primary", Stop::Kill).await?;
            let health = replica.get("/health").await?;
            let write = crate::within(PATIENCE, replica.execute("CREATE TABLE t (x)")).await;
            let write = match write {
                None => "hangs".to_owned(),
                Some(answer) => verdict_of(&answer?),
            };
            context.discard(&stack).await?;
            let fooled = health.status == 200 && write != "ok";
            let verdict = if fooled { Verdict::Differs } else { Verdict::AsDocumented };
            let finding = format!("without a primary: /health {}, a write {write}", health.status);
            Ok(Observation::new(verdict, finding).answered("GET /health on the replica", &health))
        }),
    },
    Probe {
        id: "health-says-nothing-of-replication",
        claim: "A replica's /health reports whether it follows and how far behind it is",
        source: "assumption (server-facts)",
        area: Area::Operations,
        why: "Nothing on the HTTP port shows the lag of a replica",
        mitigation: "Compare `replication_index` of both servers: `demo status` does",
        how: "Reads the body of /health on both servers",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let primary = Wire::new(&stack, "primary")?.get("/health").await?;
            let replica = Wire::new(&stack, "replica")?.get("/health").await?;
            let silent = primary.body.is_empty() && replica.body.is_empty();
            let finding = if silent {
                "the body of /health is empty on both servers".to_owned()
            } else {
                format!("the body of /health is {:?} and {:?}", primary.body, replica.body)
            };
            Ok(Observation::new(Verdict::Undocumented, finding)
                .answered("primary", &primary)
                .answered("replica", &replica))
        }),
    },
    Probe {
        id: "no-periodic-checkpoint",
        claim: "By default the database is checkpointed every hour",
        source: "sqld --help: \"By default, the interval is 1 hour\"",
        area: Area::Operations,
        why: "Write-ahead logs of quiet databases are never folded into the database",
        mitigation: "Set SQLD_CHECKPOINT_INTERVAL_S",
        how: "Reads the log, which names the interval at the first use of a namespace if there is \
              one, without and with the variable",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let (by_default, pages) = interval(context, false).await?;
            let (with_variable, _) = interval(context, true).await?;
            if !with_variable {
                return Err(Error::experiment(
                    "the log does not name the interval when there is one",
                )
                .into());
            }
            let finding = if by_default {
                "an interval is set by default".to_owned()
            } else {
                let pages = pages.unwrap_or_else(|| "an unknown number of".to_owned());
                format!("no interval by default; SQLite checkpoints every {pages} pages")
            };
            let verdict = if by_default { Verdict::AsDocumented } else { Verdict::Differs };
            let said = |found: bool| if found { "an interval is set" } else { "no interval" };
            Ok(Observation::new(verdict, finding)
                .saw("the log without the variable", said(by_default))
                .saw("the log with SQLD_CHECKPOINT_INTERVAL_S=1", said(with_variable)))
        }),
    },
    Probe {
        id: "bottomless-region-variable",
        claim: "The backup's region is set by LIBSQL_BOTTOMLESS_AWS_REGION",
        source: "libsql-server/README",
        area: Area::Operations,
        why: "With the documented variable the server does not start",
        mitigation: "Set LIBSQL_BOTTOMLESS_AWS_DEFAULT_REGION",
        how: "Starts the binary with the documented variables",
        engines: BINARY_ONLY,
        check: &Probe::check(async |context| {
            let folder = context.scratch()?;
            let arguments = [
                "--no-welcome",
                "--http-listen-addr",
                "127.0.0.1:0",
                "--enable-bottomless-replication",
            ];
            // Port 9 of loopback, where nothing listens.
            let variables = [
                ("LIBSQL_BOTTOMLESS_AWS_REGION", "eu-central-1"),
                ("LIBSQL_BOTTOMLESS_ENDPOINT", "http://127.0.0.1:9"),
                ("LIBSQL_BOTTOMLESS_BUCKET", "bucket"),
                ("LIBSQL_BOTTOMLESS_AWS_ACCESS_KEY_ID", "id"),
                ("LIBSQL_BOTTOMLESS_AWS_SECRET_ACCESS_KEY", "secret"),
            ];
            let ended = context.run_binary(folder.path(), &arguments, &variables).await?;
            let verdict =
                if ended.code.is_some() { Verdict::Differs } else { Verdict::AsDocumented };
            Ok(Observation::new(verdict, outcome(&ended)).saw("sqld", reason(&ended)))
        }),
    },
    Probe {
        id: "failed-backup-start-keeps-data",
        claim: "A start that fails for its backup's settings leaves the data alone",
        source: "assumption; libsql-server/README",
        area: Area::Lifecycle,
        why: "People try backups for the first time on a database that matters",
        mitigation: "Nothing to do; try it on a copy all the same",
        how: "Starts the binary with incomplete settings of a backup on the folder of a stopped \
              primary, then the primary again, and reads its row",
        engines: BINARY_ONLY,
        check: &Probe::check(async |context| {
            let stack = context.primary(|_| Ok(())).await?;
            let name = context.namespace(&stack, "kept").await?;
            given(&stack, &name, &["CREATE TABLE t (x)", "INSERT INTO t VALUES ('kept')"]).await?;
            stack.engine.stop("primary", Stop::Graceful).await?;
            let folder = context.scratch()?;
            let data = data_dir(&stack)?.display().to_string();
            let mut arguments = vec!["--no-welcome", "--http-listen-addr", "127.0.0.1:0"];
            arguments.extend(["--enable-namespaces", "--enable-bottomless-replication"]);
            arguments.extend(["--db-path", data.as_str()]);
            let ended = context.run_binary(folder.path(), &arguments, &[]).await?;
            stack.resume("primary").await?;
            let read = ask(&stack, &name, "SELECT x FROM t").await?;
            context.discard(&stack).await?;
            let kept = read.scalar() == Some("kept");
            let verdict = if kept { Verdict::AsDocumented } else { Verdict::Weakness };
            let fate = if kept { "the row is there" } else { "the row is gone" };
            let code =
                ended.code.map_or_else(|| "does not end".to_owned(), |code| format!("exit {code}"));
            Ok(Observation::new(verdict, format!("the start fails ({code}); afterwards {fate}"))
                .saw("sqld", reason(&ended))
                .replied("SELECT x FROM t", &read))
        }),
    },
    Probe {
        id: "custom-wal-excludes-replicas",
        claim: "--use-custom-wal libsql-wal works for a primary with replicas",
        source: "sqld --help; assumption",
        area: Area::Operations,
        why: "A flag listed in the help ends the server",
        mitigation: "Leave it off",
        how: "Starts the binary with it and --grpc-listen-addr",
        engines: BINARY_ONLY,
        check: &Probe::check(async |context| {
            let folder = context.scratch()?;
            let arguments = [
                "--no-welcome",
                "--http-listen-addr",
                "127.0.0.1:0",
                "--grpc-listen-addr",
                "127.0.0.1:0",
                "--use-custom-wal",
                "libsql-wal",
            ];
            let ended = context.run_binary(folder.path(), &arguments, &[]).await?;
            let verdict =
                if ended.code.is_some() { Verdict::Differs } else { Verdict::AsDocumented };
            Ok(Observation::new(verdict, outcome(&ended)).saw("sqld", reason(&ended)))
        }),
    },
    Probe {
        id: "descriptors-per-namespace",
        claim: "A namespace that is in use costs a few file descriptors",
        source: "#1781",
        area: Area::Operations,
        why: "The usual limit of 1024 ends at about 190 namespaces in use",
        mitigation: "Raise the limit of open files with the number of namespaces in use",
        how: "Counts /proc/PID/fd before and after twenty namespaces are used",
        engines: Engines::NativeOnly("the files of a container's process belong to another user"),
        check: &Probe::check(async |context| {
            const NAMESPACES: usize = 20;
            let stack = context.primary(|_| Ok(())).await?;
            let before = open_files(&stack).await?;
            let wire = Wire::new(&stack, "primary")?;
            for _ in 0..NAMESPACES {
                let name = context.namespace(&stack, "many").await?;
                wire.clone().namespace(&name).execute("CREATE TABLE t (x)").await?;
            }
            let after = open_files(&stack).await?;
            context.discard(&stack).await?;
            // Connections of this program's own make a few of them.
            let each = after.saturating_sub(before) / NAMESPACES;
            let finding = match each {
                4..=6 => "about 5 file descriptors per namespace in use".to_owned(),
                other => format!("about {other} file descriptors per namespace in use"),
            };
            Ok(Observation::new(Verdict::Undocumented, finding).saw(
                format!("{NAMESPACES} namespaces used"),
                format!("{before}, then {after} files"),
            ))
        }),
    },
    Probe {
        id: "jobs-endpoint-refused",
        claim: "GET /v1/jobs, which older clients ask, is answered",
        source: "#1918",
        area: Area::Operations,
        why: "It fills the log with errors that do not matter",
        mitigation: "Ignore the lines, or update @libsql/client beyond 0.6",
        how: "Asks for it on a normal namespace, and reads the log",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "jobs").await?;
            let answer = Wire::new(&stack, "primary")?.namespace(&name).get("/v1/jobs").await?;
            let line = until_logged(&stack, "InvalidNamespace").await.unwrap_or_default();
            let level = level(&line);
            let verdict =
                if answer.status == 200 { Verdict::AsDocumented } else { Verdict::Undocumented };
            let finding = format!("answered {} and logged {level}", answer.status);
            Ok(Observation::new(verdict, finding).answered("GET /v1/jobs", &answer))
        }),
    },
    Probe {
        id: "client-errors-logged-as-errors",
        claim: "The log's level ERROR means that the server has a problem",
        source: "assumption",
        area: Area::Operations,
        why: "Anyone can raise an alarm by asking for something that does not exist",
        mitigation: "Alert on status 500 at the proxy rather than on the log's level",
        how: "Asks for a namespace that does not exist, and reads the log",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.name("nobody")?;
            let wire = Wire::new(&stack, "primary")?.namespace(&name);
            let answer = demo_sqld_client::http::Answer::to(
                wire.request(Method::POST, "/v3/pipeline").body(r#"{"requests":[]}"#),
                "the primary",
            )
            .await?;
            let line = until_logged(&stack, &format!("NamespaceDoesntExist(\"{name}\")")).await;
            let level = level(&line.unwrap_or_default());
            let verdict =
                if level == "as ERROR" { Verdict::Undocumented } else { Verdict::AsDocumented };
            let finding = format!("a request that is answered {} is logged {level}", answer.status);
            Ok(Observation::new(verdict, finding).answered("an unknown namespace", &answer))
        }),
    },
];

async fn help(context: &ProbeContext<'_>) -> Result<String> {
    let folder = context.scratch()?;
    let ended = context.run_binary(folder.path(), &["--help"], &[]).await?;
    match ended.code {
        Some(0) => Ok(ended.text),
        _ => Err(Error::experiment_saw("sqld --help failed", ended.text).into()),
    }
}

/// What the log says about checkpoints once a namespace is in use, with the variable at
/// 1 s or without it.
async fn interval(context: &ProbeContext<'_>, variable: bool) -> Result<(bool, Option<String>)> {
    const SAID: &str = "setting checkpoint interval";
    const AUTOMATIC: &str = "SQLite autocheckpoint";
    let change = |plan: &mut StackPlan| {
        for service in &mut plan.services {
            if variable {
                let name = "SQLD_CHECKPOINT_INTERVAL_S".to_owned();
                service.environment.insert(name, "1".to_owned());
            }
        }
        Ok(())
    };
    let stack = context.primary(change).await?;
    let name = context.namespace(&stack, "checkpoint").await?;
    let wire = Wire::new(&stack, "primary")?.namespace(&name);
    wire.execute("CREATE TABLE t (x)").await?;
    let pages = scalar(&wire.execute("PRAGMA wal_autocheckpoint").await?);
    // The interval's line comes within milliseconds of the other, if it comes.
    until_logged(&stack, AUTOMATIC).await?;
    let waited = poll("an interval is set", Duration::from_secs(1), async || {
        let log = stack.engine.logs("primary", None).await?;
        Ok(if log.contains(SAID) { Attempt::Done(()) } else { Attempt::Again("none".into()) })
    });
    let periodic = waited.await.is_ok();
    context.discard(&stack).await?;
    Ok((periodic, pages))
}

/// The last line that tells why a server ended.
fn reason(ended: &Ended) -> String {
    let line = ended.text.lines().find(|line| line.starts_with("Error: "));
    line.unwrap_or("no reason given").trim_start_matches("Error: ").to_owned()
}

fn outcome(ended: &Ended) -> String {
    match ended.code {
        Some(code) => format!("exit {code}: {}", reason(ended)),
        None => "the server starts".to_owned(),
    }
}

async fn open_files(stack: &EphemeralStack) -> Result<usize> {
    let ServiceState::Running(instance) = stack.engine.state("primary").await? else {
        return Err(Error::experiment("the primary does not run").into());
    };
    let process = instance.id.trim_start_matches("pid ").to_owned();
    let folder = format!("/proc/{process}/fd");
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| Error::experiment_saw(format!("cannot read {folder}"), error))?;
    Ok(entries.count())
}

/// The first line of the primary's log with `text`; an error when none comes.
async fn until_logged(stack: &EphemeralStack, text: &str) -> Result<String> {
    poll(&format!("the log has `{text}`"), Duration::from_secs(3), async || {
        let log = stack.engine.logs("primary", None).await?;
        Ok(match log.lines().find(|line| line.contains(text)) {
            Some(line) => Attempt::Done(line.to_owned()),
            None => Attempt::Again("not there".to_owned()),
        })
    })
    .await
}

/// The level of a line of the log, in words.
fn level(line: &str) -> &'static str {
    let mut words = line.split_whitespace();
    let found = words.find_map(|word| match word {
        "ERROR" => Some("as ERROR"),
        "WARN" => Some("as WARN"),
        "INFO" => Some("as INFO"),
        "DEBUG" => Some("as DEBUG"),
        _ => None,
    });
    found.unwrap_or("nowhere")
}
