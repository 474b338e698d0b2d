//! The image's entrypoint and the server's variables.
//!
//! What the upstream image's own entrypoint does cannot be shown without the
//! image, and the project's re-implementation of it proves nothing about the
//! server. What can be shown is what the binary does with the variables that
//! only the entrypoint knows: it is what a container gets whose command the
//! entrypoint does not recognise.

use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::following::support::{
    HANG, PATIENCE, ask, eventually, health, outcome, run, said, words,
};
use crate::{Area, Ended, Engines, Observation, Probe, ProbeContext, Verdict, within};
use demo_base::error::Result;
use demo_sqld_client::hrana::Hrana;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::blueprint::Variants;
use demo_stack::plan::{Role, StackPlan};

const NO_ENTRYPOINT: &str = "the image's entrypoint turns the variables into flags";
const NEEDS_BINARY: &str = "it reads the exit code of the server binary itself";

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "primary-url-variable",
        claim: "SQLD_NODE=replica and SQLD_PRIMARY_URL make a server a replica",
        source: "DOCKER, Environment variables",
        area: Area::Operations,
        why: "Outside the image, or with a command that its entrypoint does not recognise, two \
              servers accept writes without a warning",
        mitigation: "Begin the container's command with exactly /bin/sqld; \
                     for the binary use SQLD_PRIMARY_GRPC_URL",
        how: "Starts the binary with these two variables, writes to it, looks at the primary",
        engines: Engines::NativeOnly(NO_ENTRYPOINT),
        check: &Probe::check(async |context| {
            let kept = |_: &mut StackPlan| {};
            let (stack, arrived) = written_to_second(context, kept).await?;
            context.discard(&stack).await?;
            Ok(Observation::either(
                arrived,
                (Verdict::AsDocumented, "the binary with these variables is a replica"),
                (Verdict::Differs, "the binary with these variables is a server by itself"),
            )
            .saw("a row written to it reaches the primary", arrived.to_string()))
        }),
    },
    Probe {
        id: "primary-grpc-url-variable",
        claim: "SQLD_PRIMARY_GRPC_URL makes a server a replica",
        source: "`sqld --help`",
        area: Area::Operations,
        why: "It is the variable to use when running the binary without the image",
        mitigation: "Nothing to do",
        how: "Starts the binary with the variable, writes to it, looks at the primary",
        engines: Engines::NativeOnly(NO_ENTRYPOINT),
        check: &Probe::check(async |context| {
            let renamed = |plan: &mut StackPlan| {
                for service in &mut plan.services {
                    if let Some(url) = service.environment.remove("SQLD_PRIMARY_URL") {
                        service.environment.insert("SQLD_PRIMARY_GRPC_URL".to_owned(), url);
                    }
                }
            };
            let (stack, arrived) = written_to_second(context, renamed).await?;
            context.discard(&stack).await?;
            Ok(Observation::either(
                arrived,
                (Verdict::AsDocumented, "the binary with this variable is a replica"),
                (Verdict::Differs, "the binary with this variable is a server by itself"),
            )
            .saw("a row written to it reaches the primary", arrived.to_string()))
        }),
    },
    Probe {
        id: "primary-url-not-checked",
        claim: "A replica whose primary URL is not a valid URL does not start",
        source: "assumption",
        area: Area::Operations,
        why: "A typo in the URL shows only in requests that fail, and health checks stay green",
        mitigation: "Read one row at every replica after each start; /health proves nothing",
        how: "Starts a replica with the URL `nonsense`, reads, asks /health",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context
                .own(Variants::DEFAULT, |plan, _| {
                    for service in
                        plan.services.iter_mut().filter(|service| service.name == "replica")
                    {
                        service
                            .environment
                            .insert("SQLD_PRIMARY_URL".to_owned(), "nonsense".to_owned());
                    }
                    Ok(())
                })
                .await?;
            let (read, evidence) = match ask(&stack.hrana("replica", None)?, "SELECT 1").await {
                Ok(reply) => (outcome(reply.as_ref()), words(reply.as_ref())),
                Err(error) => {
                    ("gets no answer but the end of its connection".to_owned(), error.to_string())
                }
            };
            // A server that has ended answers nothing.
            let health =
                health(&stack, "replica").await.map_or("nothing".to_owned(), |s| s.to_string());
            let panic = said(&stack, "replica", "panicked at").await?;
            context.discard(&stack).await?;
            let finding =
                format!("a read at a replica with a senseless URL {read}; /health says {health}");
            Ok(Observation::new(Verdict::Undocumented, finding)
                .saw("SELECT 1 on the replica", evidence)
                .saw("the replica's log", panic.as_deref().unwrap_or("no panic")))
        }),
    },
    Probe {
        id: "replica-grpc-listen-variable",
        claim: "A replica ignores SQLD_GRPC_LISTEN_ADDR",
        source: "assumption; sqld issue 74",
        area: Area::Operations,
        why: "If all servers share one environment file, every replica exits at startup",
        mitigation: "Give SQLD_GRPC_LISTEN_ADDR to the primary only",
        how: "Runs the server with both SQLD_PRIMARY_GRPC_URL and SQLD_GRPC_LISTEN_ADDR",
        engines: Engines::NativeOnly(NEEDS_BINARY),
        check: &Probe::check(async |context| {
            let folder = context.scratch()?;
            let variables = [
                ("SQLD_PRIMARY_GRPC_URL", "http://127.0.0.1:9"),
                ("SQLD_GRPC_LISTEN_ADDR", "127.0.0.1:0"),
            ];
            let ended = context.run_binary(folder.path(), &HTTP_ALONE, &variables).await?;
            Ok(refused(&ended, "with both variables"))
        }),
    },
    Probe {
        id: "replica-of-a-replica",
        claim: "A replica can itself have replicas",
        source: "assumption; CONSISTENCY_MODEL and USER_GUIDE do not say",
        area: Area::Replication,
        why: "Every replica must reach the primary: replicas cannot be chained",
        mitigation: "Point every replica at the primary",
        how: "Runs the server with both --primary-grpc-url and --grpc-listen-addr",
        engines: Engines::NativeOnly(NEEDS_BINARY),
        check: &Probe::check(async |context| {
            let folder = context.scratch()?;
            let flags = ["--primary-grpc-url=http://127.0.0.1:9", "--grpc-listen-addr=127.0.0.1:0"];
            let arguments: Vec<&str> = HTTP_ALONE.iter().chain(&flags).copied().collect();
            let ended = context.run_binary(folder.path(), &arguments, &[]).await?;
            Ok(refused(&ended, "with both flags"))
        }),
    },
    Probe {
        id: "grpc-only-when-asked",
        claim: "A server listens for replicas only when it is told to",
        source: "`sqld --help`; DOCKER has 0.0.0.0:5001 as the image's default",
        area: Area::Security,
        why: "TLS is the port's only protection, and the image opens it on every primary",
        mitigation: "Set SQLD_NODE=standalone in a container that has no replicas",
        how: "Starts a server without SQLD_GRPC_LISTEN_ADDR and speaks HTTP/2 to the port",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const VARIABLE: &str = "SQLD_GRPC_LISTEN_ADDR";
            let told = context.primary(|_| Ok(())).await?;
            // What the port answers when a server listens on it.
            let control = speaks_http2(&told).await?;
            context.discard(&told).await?;
            let stack = context
                .primary(|plan| {
                    for service in &mut plan.services {
                        service.role = Role::Standalone;
                        service.environment.remove(VARIABLE);
                        let node = ("SQLD_NODE".to_owned(), "standalone".to_owned());
                        service.environment.extend([node]);
                    }
                    Ok(())
                })
                .await?;
            let open = speaks_http2(&stack).await?;
            context.discard(&stack).await?;
            let seen = match (control, open) {
                (true, false) => Observation::new(
                    Verdict::AsDocumented,
                    "a server that is not told to does not listen for replicas",
                ),
                (_, true) => Observation::new(
                    Verdict::Weakness,
                    "a server listens for replicas without being told",
                ),
                (false, false) => Observation::new(
                    Verdict::Differs,
                    "a server does not listen for replicas even when it is told to",
                ),
            };
            Ok(seen
                .saw("HTTP/2 is answered when told, when not told", format!("{control}, {open}")))
        }),
    },
];

/// Starts the service `replica` from its variables alone, without the flags of an
/// entrypoint, and tells whether a row written to it is then on the primary.
async fn written_to_second(
    context: &ProbeContext<'_>,
    change: impl FnOnce(&mut StackPlan),
) -> Result<(Rc<EphemeralStack>, bool)> {
    let stack = context
        .own(Variants::DEFAULT, |plan, _| {
            for service in plan.services.iter_mut().filter(|service| service.name == "replica") {
                // The native engine does the entrypoint's work by the role.
                service.role = Role::Standalone;
            }
            change(plan);
            Ok(())
        })
        .await?;
    let (primary, second) = (stack.hrana("primary", None)?, stack.hrana("replica", None)?);
    run(&primary, &["CREATE TABLE of_primary (x)"]).await?;
    run(&second, &["CREATE TABLE of_second (x)"]).await?;
    // A replica's write is on the primary before it is answered.
    let there = async |server: &Hrana, table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        Ok::<_, anyhow::Error>(server.execute(&sql).await?.succeeded())
    };
    let up = there(&primary, "of_second").await?;
    let down = if up {
        eventually(PATIENCE, async || there(&second, "of_primary").await).await
    } else {
        there(&second, "of_primary").await?
    };
    Ok((stack, up && down))
}

/// Port 0 is any free one: nothing is ever to connect there.
const HTTP_ALONE: [&str; 3] = ["--no-welcome", "--http-listen-addr=127.0.0.1:0", "--db-path=data"];

fn refused(ended: &Ended, when: &str) -> Observation {
    let conflict = ended.text.contains("cannot be used with");
    let seen = match ended.code {
        None => Observation::new(Verdict::AsDocumented, format!("{when} the server starts")),
        Some(code) if conflict => Observation::new(
            Verdict::Undocumented,
            format!("{when} the server ends with exit code {code} and names the conflict"),
        ),
        Some(code) => Observation::new(
            Verdict::Undocumented,
            format!("{when} the server ends with exit code {code}"),
        ),
    };
    seen.saw("the server's output", &ended.text)
}

/// Whether the port for replicas answers the opening words of HTTP/2.
async fn speaks_http2(stack: &EphemeralStack) -> Result<bool> {
    // The preface and empty settings (RFC 9113, 3.4).
    const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let port = stack.service("primary")?.published(5001);
    let Some(address) = port else { return Ok(false) };
    let spoken = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(OPENING).await?;
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).await?;
        // The server's first frame is SETTINGS.
        Ok::<_, std::io::Error>(frame[3] == 4)
    };
    Ok(matches!(within(HANG, spoken).await, Some(Ok(true))))
}
