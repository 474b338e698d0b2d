//! The `libsql` crate as a remote client.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::time::Duration;

use futures::FutureExt;
use libsql::{Builder, Value};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::embedded::support::{
    Opening, by_name, filled, is, read, rows, run, says, sync, told, write,
};
use crate::{Area, Engines, Error, Observation, Probe, Verdict};
use demo_base::error::Result;
use demo_sqld::claims::{Access, Grant};

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "client-namespace-setter",
        claim: "`.namespace()` of the remote client selects the namespace",
        source: "libsql crate 0.10.0, Builder::namespace",
        area: Area::Client,
        why: "Reads and writes meant for one tenant silently land in another database",
        mitigation: "Put the namespace into the URL's host (NAME.localhost), never into \
                     `.namespace()` of `new_remote`; run the server with \
                     --disable-default-namespace",
        how: "new_remote with http://localhost:PORT and `.namespace(NAME)` on a server with both \
              namespaces; a listener of our own shows the header that the crate sends",
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
            let name = filled(context, &stack, "chosen").await?;
            let default = stack.hrana("primary", None)?;
            run(&default, "CREATE TABLE t (x)").await?;
            run(&default, "INSERT INTO t VALUES ('of the default')").await?;
            let url = by_name(&stack, "primary", "localhost")?;
            let opening = Opening::of(&stack, url)?.namespace(&name);
            let seen = rows(&opening.remote().await?).await;
            context.discard(&stack).await?;

            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let url = format!("http://{}", listener.local_addr()?);
            let elsewhere = Opening { url, ..opening }.remote().await?;
            let (heard, _refused) = tokio::join!(namespace_header(&listener), rows(&elsewhere));
            let heard = heard?;
            let observation = if is(&seen, "of the default") {
                let finding = "`.namespace()` of the remote client is ignored: the default \
                               namespace answers";
                Observation::new(Verdict::Weakness, finding)
            } else if is(&seen, "first") {
                let finding = "`.namespace()` of the remote client selects the namespace";
                Observation::new(Verdict::AsDocumented, finding)
            } else {
                Observation::new(Verdict::Differs, format!("the client says {}", told(&seen)))
            };
            let header = heard.replace(name.as_str(), "NAME");
            Ok(observation
                .saw("SELECT x FROM t with `.namespace(NAME)`", told(&seen))
                .saw("what the crate sends", header))
        }),
    },
    Probe {
        id: "client-localhost-names",
        claim: "http://NAME.localhost:PORT reaches the namespace NAME with the crate",
        source: "docs/USER_GUIDE, namespaces",
        area: Area::Client,
        why: "Many machines do not resolve NAME.localhost, and the crate's own connector asks DNS",
        mitigation: "Give the builder a `.connector()` that dials 127.0.0.1, or write the names \
                     into /etc/hosts",
        how: "Remote client and embedded replica with a connector that dials loopback; this \
              machine's own answer for the name is evidence only",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = filled(context, &stack, "named").await?;
            let host = format!("{name}.localhost");
            let opening = Opening::of(&stack, by_name(&stack, "primary", &host)?)?;
            let remote = rows(&opening.remote().await?).await;
            let folder = context.scratch()?;
            let replica = opening.replica(&folder.path().join("r.db")).await??;
            let embedded = match sync(&replica).await {
                Ok(_) => rows(&replica).await,
                Err(error) => Err(error),
            };
            let looked_up = match tokio::net::lookup_host((host.as_str(), 80)).await {
                Ok(mut found) => {
                    found.next().map_or("nothing".to_owned(), |at| at.ip().to_string())
                }
                Err(error) => error.to_string(),
            };
            let observation = if is(&remote, "first") && is(&embedded, "first") {
                let finding = "both kinds of client reach the namespace by its host name, once \
                               something dials loopback for it";
                Observation::new(Verdict::AsDocumented, finding)
            } else {
                let finding = format!("remote: {}; embedded: {}", told(&remote), told(&embedded));
                Observation::new(Verdict::Differs, finding)
            };
            Ok(observation
                .saw("SELECT x FROM t with new_remote", told(&remote))
                .saw("the same with new_remote_replica", told(&embedded))
                .saw("this machine's lookup of NAME.localhost", looked_up))
        }),
    },
    Probe {
        id: "client-several-statements",
        claim: "`execute` with several statements runs all of them, or fails and runs none",
        source: "assumption; over HTTP the server answers SQL_MANY_STATEMENTS",
        area: Area::Client,
        why: "A migration passed as one string runs only in part and is reported as successful",
        mitigation: "Use `execute_batch` for scripts",
        how: "Two INSERTs in one `execute` and in one `execute_batch` of the remote client, and in \
              one `execute` of an embedded replica; the rows after each",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const TWO: &str = "INSERT INTO t VALUES ('one'); INSERT INTO t VALUES ('two')";
            let stack = context.namespaced().await?;
            let name = filled(context, &stack, "several").await?;
            let url = by_name(&stack, "primary", &format!("{name}.localhost"))?;
            let opening = Opening::of(&stack, url)?;
            let remote = opening.remote().await?;
            let folder = context.scratch()?;
            let embedded = opening.replica(&folder.path().join("r.db")).await??;
            sync(&embedded).await?;
            let mut observation = Observation::new(Verdict::Weakness, "");
            let mut counts = Vec::new();
            for how in ["execute", "execute_batch", "execute of an embedded replica"] {
                let before = count(&remote).await?;
                let outcome = match how {
                    "execute" => write(&remote, TWO).await.map(|_| "success"),
                    "execute_batch" => {
                        remote.connect()?.execute_batch(TWO).await.map(|_| "success")
                    }
                    _ => write(&embedded, TWO).await.map(|_| "success"),
                };
                let ran = count(&remote).await? - before;
                observation = observation
                    .saw(format!("{how}({TWO})"), format!("{}, {ran} of 2 ran", told(&outcome)));
                counts.push((outcome.is_ok(), ran));
            }
            let (verdict, finding) = match counts.as_slice() {
                [(true, 1), (true, 2), (true, 2)] => (
                    Verdict::Weakness,
                    "`execute` of the remote client runs the first statement only and reports \
                     success; `execute_batch` and `execute` of an embedded replica run all"
                        .to_owned(),
                ),
                [(true, 1), (true, 2), (true, 1)] => (
                    Verdict::Weakness,
                    "`execute` runs the first statement only and reports success; `execute_batch` \
                     runs all"
                        .to_owned(),
                ),
                [(true, 2), (true, 2), (true, 2)] => {
                    (Verdict::AsDocumented, "all of them run".to_owned())
                }
                [(false, 0), (true, 2), (false, 0)] => (
                    Verdict::AsDocumented,
                    "`execute` refuses several; `execute_batch` runs all".to_owned(),
                ),
                other => {
                    let half = other.iter().any(|(ok, ran)| *ok && *ran < 2);
                    let verdict = if half { Verdict::Weakness } else { Verdict::Undocumented };
                    (verdict, format!("(success, statements that ran) of the three: {other:?}"))
                }
            };
            Ok(Observation { verdict, finding, ..observation })
        }),
    },
    Probe {
        id: "client-refused-token",
        claim: "The remote client reports that a token was refused",
        source: "assumption",
        area: Area::Client,
        why: "The message decides whether people look for the fault in the token or in the network",
        mitigation: "Look for `status=401` in the message: the crate has no error variant for it",
        how: "SELECT with a token that nobody signed",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = filled(context, &stack, "refused").await?;
            let url = by_name(&stack, "primary", &format!("{name}.localhost"))?;
            let opening =
                Opening::of(&stack, url)?.token(SecretString::from("of-nobody".to_owned()));
            let seen = rows(&opening.remote().await?).await;
            let observation = if says(&seen, "status=401") {
                let finding =
                    "the error's text has `status=401 Unauthorized` and the server's reason";
                Observation::new(Verdict::Undocumented, finding)
            } else if seen.is_ok() {
                Observation::new(Verdict::Weakness, "a token that nobody signed reads")
            } else {
                Observation::new(Verdict::Undocumented, format!("the error is {}", told(&seen)))
            };
            Ok(observation.saw("SELECT x FROM t with a token that nobody signed", told(&seen)))
        }),
    },
    Probe {
        id: "client-forbidden-write",
        claim: "The remote client reports that a token may not write",
        source: "assumption",
        area: Area::Client,
        why: "A forbidden write that looks like a broken connection is retried forever",
        mitigation: "Try the statement over /v3/pipeline, which answers 403; `demo sql` does",
        how: "INSERT with a read-only token, with `execute` and with `query`",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const INSERT: &str = "INSERT INTO t VALUES ('second')";
            let stack = context.namespaced().await?;
            let name = filled(context, &stack, "readonly").await?;
            let grant = Grant { access: Access::ReadOnly, ..Grant::full(Duration::from_secs(600)) };
            let token = stack.token(&grant)?;
            let url = by_name(&stack, "primary", &format!("{name}.localhost"))?;
            let remote = Opening::of(&stack, url)?.token(token).remote().await?;
            let executed = write(&remote, INSERT).await;
            let queried = read(&remote, "INSERT INTO t VALUES ('second') RETURNING x").await;
            let count =
                stack.hrana("primary", Some(&name))?.execute("SELECT count(*) FROM t").await?;
            let observation = if count.scalar() != Some("1") {
                Observation::new(Verdict::Weakness, "a read-only token writes")
            } else if says(&executed, "status=403") && says(&queried, "status=403") {
                Observation::new(Verdict::AsDocumented, "`execute` and `query` say 403")
            } else if says(&executed, "status=403") && says(&queried, "reading a body") {
                let finding = "`execute` says 403, while with `query` a forbidden write looks like \
                               a broken connection";
                Observation::new(Verdict::Undocumented, finding)
            } else {
                let finding = format!("execute: {}; query: {}", told(&executed), told(&queried));
                Observation::new(Verdict::Undocumented, finding.replace(name.as_str(), "NAME"))
            };
            Ok(observation
                .saw("execute(INSERT) with {\"a\":\"ro\"}", told(&executed))
                .saw("query(INSERT .. RETURNING)", told(&queried))
                .saw("count of rows", count.scalar().unwrap_or("none")))
        }),
    },
    Probe {
        id: "client-get-of-another-type",
        claim: "`row.get::<String>()` on an INTEGER is an error",
        source: "libsql crate 0.10.0, Row::get returns a Result",
        area: Area::Client,
        why: "SQLite columns hold any type, so one odd row panics the program that reads it",
        mitigation: "Use `get_value` and match on `Value`",
        how: "`get::<String>` on the result of SELECT 1, with panics caught",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "typed").await?;
            let url = by_name(&stack, "primary", &format!("{name}.localhost"))?;
            let remote = Opening::of(&stack, url)?.remote().await?;
            let text = read(&remote, "SELECT typeof(1)").await;
            let mut answer = remote.connect()?.query("SELECT 1", ()).await?;
            let row =
                answer.next().await?.ok_or_else(|| Error::experiment("SELECT 1 has no row"))?;
            let is_integer = matches!(row.get_value(0)?, Value::Integer(1));
            let got = caught(|| row.get::<String>(0));
            let observation = match &got {
                Err(_panic) => {
                    let finding =
                        "`get::<String>` on an INTEGER panics instead of returning its error";
                    Observation::new(Verdict::Differs, finding)
                }
                Ok(Err(_)) => Observation::new(Verdict::AsDocumented, "it is an error"),
                Ok(Ok(value)) => {
                    Observation::new(Verdict::Undocumented, format!("it returns the text {value}"))
                }
            };
            let told = match &got {
                Err(message) => format!("panic `{message}`"),
                Ok(outcome) => told(outcome),
            };
            Ok(observation
                .saw("typeof(1)", format!("{}, Value::Integer: {is_integer}", self::told(&text)))
                .saw("get::<String>(0)", told))
        }),
    },
    Probe {
        id: "client-without-connector",
        claim: "Built without the feature `tls`, the crate still reaches http:// servers",
        source: "libsql crate 0.10.0, its features; seen in @pnpm/pnpr",
        area: Area::Client,
        why: "A program built without `tls` panics at its first use of the crate instead of \
              getting an error",
        mitigation: "With `tls` off, every builder needs `.connector()`",
        how: "new_remote(..).build() without `.connector()`, with panics caught",
        engines: Engines::Both,
        check: &Probe::check(async |_| without_connector()),
    },
];

/// Takes one request and returns its header that names a namespace.
async fn namespace_header(listener: &TcpListener) -> Result<String> {
    const LARGEST: u64 = 16 * 1024;
    let (mut stream, _) = listener.accept().await?;
    let mut request = Vec::new();
    let mut reader = (&mut stream).take(LARGEST);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if reader.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await?;
    let text = String::from_utf8_lossy(&request);
    let header = text.lines().find(|line| line.to_lowercase().starts_with("x-namespace"));
    Ok(header.unwrap_or("no such header").to_owned())
}

async fn count(database: &libsql::Database) -> Result<i64> {
    let text = read(database, "SELECT count(*) FROM t").await?;
    text.parse().map_err(|_| Error::experiment(format!("a count of rows is `{text}`")).into())
}

fn without_connector() -> Result<Observation> {
    let url = "http://127.0.0.1:9".to_owned();
    // Nothing is sent before the first statement, so there is nothing to wait for.
    let built = caught(|| Builder::new_remote(url, String::new()).build().now_or_never());
    let (observation, told) = match built {
        Err(message) => {
            let finding = "without the feature `tls` and without `.connector()`, build() panics";
            (Observation::new(Verdict::Undocumented, finding), format!("panic `{message}`"))
        }
        Ok(Some(Ok(_))) => {
            let finding = "without the feature `tls`, build() works without a connector";
            (Observation::new(Verdict::AsDocumented, finding), "ok".to_owned())
        }
        Ok(Some(Err(error))) => {
            let finding = format!("without the feature `tls`, build() is an error: {error}");
            (Observation::new(Verdict::Undocumented, finding), error.to_string())
        }
        Ok(None) => return Err(Error::experiment("build() waits for something").into()),
    };
    Ok(observation.saw("new_remote(..).build() without `.connector()`", told))
}

thread_local! {
    /// Whether a panic of this thread is expected.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// The result of `action`, or the message of its panic. An expected panic prints
/// nothing; any other one, of any thread, goes to the hook that was there before.
fn caught<T>(action: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !EXPECTED.get() {
                before(panic);
            }
        }));
    });
    EXPECTED.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(action));
    EXPECTED.set(false);
    outcome.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "of another kind".to_owned())
    })
}
