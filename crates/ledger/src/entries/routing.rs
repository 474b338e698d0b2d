//! How a request finds its namespace.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http_api::wire::{Wire, execute, scalar, verdict_of};
use crate::{Area, Engines, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::http::Answer;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::{Interface, StackPlan};

const GUIDE: &str = "docs/USER_GUIDE, Multitenancy: http://db1.local:8080";
const GUIDE_HEADER: &str = "docs/USER_GUIDE, Multitenancy, by omission";

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "host-first-label-decides",
        claim: "The first label of the host name is the namespace, whatever follows it",
        source: GUIDE,
        area: Area::HttpAndSql,
        why: "The host names that the proxy accepts decide which database answers",
        mitigation: "Let the proxy accept only the one domain, and rewrite `Host` itself",
        how: "The same namespace is asked for as NAME.localhost and as NAME.other.example",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "label").await?;
            let wire = Wire::new(&stack, "primary")?;
            sign(&wire.clone().namespace(&name), "it").await?;
            let answer = wire.host(format!("{name}.other.example")).execute(WHO).await?;
            Ok(Observation::either(
                scalar(&answer).as_deref() == Some("it"),
                (Verdict::AsDocumented, "the first label decides; any domain may follow"),
                (Verdict::Differs, "another domain after the first label is refused"),
            )
            .answered("the same namespace under another domain", &answer))
        }),
    },
    Probe {
        id: "host-ip-address-names-a-namespace",
        claim: "A server that is addressed by its IP address answers with the default namespace",
        source: "docs/USER_GUIDE, Multitenancy, by omission; assumption",
        area: Area::HttpAndSql,
        why: "With namespaces on, every client with http://127.0.0.1:PORT gets 404",
        mitigation: "Address the server by a host name, or send `x-namespace-bin`",
        how: "Host: 127.0.0.1, with the default namespace on",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            one_host(context, "127.0.0.1:8080", "an IPv4 address").await
        }),
    },
    Probe {
        id: "host-ipv6-address-is-default",
        claim: "An IPv6 address as host is treated as an IPv4 address is",
        source: "assumption",
        area: Area::HttpAndSql,
        why: "The same client reaches another database over the other protocol",
        mitigation: "Address the server by a host name",
        how: "Host: [::1]:8080, with the default namespace on",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            one_host(context, "[::1]:8080", "an IPv6 address").await
        }),
    },
    Probe {
        id: "host-without-dot-is-default",
        claim: "A host of one label, such as a container's name, selects the namespace of that \
                name",
        source: GUIDE,
        area: Area::HttpAndSql,
        why: "In a compose network http://alpha:8080 writes to the shared database",
        mitigation: "Start with --disable-default-namespace: such a request is then refused",
        how: "Host: alpha, where there is a namespace `alpha` and a default one",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            one_host(context, "alpha", "the one label of a namespace").await
        }),
    },
    Probe {
        id: "host-empty-label-is-default",
        claim: "A host with an empty first label is refused",
        source: "assumption",
        area: Area::HttpAndSql,
        why: "A proxy whose variable is empty sends everything to the shared database",
        mitigation: "Start with --disable-default-namespace",
        how: "Host: .example, with the default namespace on",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            one_host(context, ".example", "an empty first label").await
        }),
    },
    Probe {
        id: "host-missing-is-default",
        claim: "A request without a Host header is refused",
        source: "RFC 9112, 3.2: a server must answer 400",
        area: Area::HttpAndSql,
        why: "A broken client lands in the shared database",
        mitigation: "Start with --disable-default-namespace",
        how: "A request by hand, HTTP/1.1 without Host, with the default namespace on",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = with_default(context).await?;
            let wire = Wire::new(&stack, "primary")?;
            let body = json!({ "requests": [execute(WHO), { "type": "close" }] }).to_string();
            let text = format!(
                "POST /v3/pipeline HTTP/1.1\r\n{}\r\ncontent-length: {}\r\nconnection: \
                 close\r\n\r\n{body}",
                wire.authorization(),
                body.len()
            );
            let mut stream = TcpStream::connect(stack.address("primary", Interface::Http)?).await?;
            stream.write_all(text.as_bytes()).await?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await?;
            let reply = String::from_utf8_lossy(&bytes).into_owned();
            context.discard(&stack).await?;

            let status = reply.split(' ').nth(1).unwrap_or("nothing").to_owned();
            let default = reply.contains(r#""value":"default""#);
            let (verdict, finding) = match (status.as_str(), default) {
                ("200", true) => (Verdict::Differs, "no host is answered by `default`".to_owned()),
                ("400", _) => (Verdict::AsDocumented, "no host is refused".to_owned()),
                _ => (Verdict::Differs, format!("no host is answered {status}")),
            };
            Ok(Observation::new(verdict, finding).saw("no Host", reply))
        }),
    },
    Probe {
        id: "host-unknown-is-404",
        claim: "A namespace that does not exist is refused with 404",
        source: "article \"Self-Hosting libSQL\": \"A nonexistent namespace errors out\"",
        area: Area::HttpAndSql,
        why: "A request creates nothing, and a typo shows",
        mitigation: "Nothing to do",
        how: "A host whose first label no namespace has, with a token for everything",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let answer = Wire::new(&stack, "primary")?.namespace(&context.name("nobody")?);
            let answer = answer.execute("SELECT 1").await?;
            Ok(Observation::either(
                answer.status == 404,
                (Verdict::AsDocumented, "an unknown namespace is answered 404"),
                (Verdict::Differs, "an unknown namespace is not answered 404"),
            )
            .answered("SELECT 1", &answer))
        }),
    },
    Probe {
        id: "host-is-case-sensitive",
        claim: "Host names are compared without regard to case",
        source: "RFC 9110, 4.2.3",
        area: Area::HttpAndSql,
        why: "Clients send host names in lower case, so a name with capitals cannot be reached",
        mitigation: "Name namespaces in lower case only; `demo namespace create` insists on it",
        how: "Creates a namespace `MiXed` and asks for it as MiXed.localhost and mixed.localhost",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = format!("MiXed-{}", context.name("x")?);
            let path = format!("/v1/namespaces/{name}/create");
            let created = stack.admin()?.raw(Method::POST, &path, Some(&json!({}))).await?;
            let wire = Wire::new(&stack, "primary")?;
            let exact = wire.clone().host(format!("{name}.localhost")).execute("SELECT 1").await?;
            let lower = wire.host(format!("{}.localhost", name.to_lowercase()));
            let lower = lower.execute("SELECT 1").await?;
            let (verdict, finding): (_, String) = match (created.status, exact.status, lower.status)
            {
                (200, 200, 404) => (
                    Verdict::Differs,
                    "capitals are kept: the host in lower case is answered 404".into(),
                ),
                (200, 200, 200) => {
                    (Verdict::AsDocumented, "the case of the host does not matter".into())
                }
                (400, ..) => (Verdict::Undocumented, "a name with capitals is not created".into()),
                (a, b, c) => {
                    (Verdict::Undocumented, format!("create {a}, exact {b}, lower case {c}"))
                }
            };
            Ok(Observation::new(verdict, finding)
                .answered("create MiXed", &created)
                .answered("mixed.localhost", &lower))
        }),
    },
    Probe {
        id: "x-namespace-header-ignored",
        claim: "The header `x-namespace: NAME` selects the namespace",
        source: "article \"Self-Hosted libSQL (sqld) Configuration Guide\"; Drizzle #4924",
        area: Area::HttpAndSql,
        why: "Every tenant writes into the default database, with status 200",
        mitigation: "Use the host name or `x-namespace-bin`, and --disable-default-namespace",
        how: "The header names `alpha`, the host names none; which database answers?",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = with_default(context).await?;
            let wire = Wire::new(&stack, "primary")?.header("x-namespace", "alpha");
            let answer = wire.execute(WHO).await?;
            context.discard(&stack).await?;
            let verdict = match scalar(&answer).as_deref() {
                Some("alpha") => Verdict::AsDocumented,
                Some(_) => Verdict::Weakness,
                None => Verdict::Differs,
            };
            let finding = format!("x-namespace: alpha is {}", who(&answer));
            Ok(Observation::new(verdict, finding)
                .answered("SELECT with x-namespace: alpha", &answer))
        }),
    },
    Probe {
        id: "x-namespace-bin-beats-host",
        claim: "The host name alone selects the namespace",
        source: GUIDE_HEADER,
        area: Area::HttpAndSql,
        why: "A proxy that routes by host does not confine a client that adds the header",
        mitigation: "Strip `x-namespace-bin` at the proxy",
        how: "The host names one namespace, the header, in base64, another",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (one, other) =
                (context.namespace(&stack, "host").await?, context.namespace(&stack, "bin").await?);
            let wire = Wire::new(&stack, "primary")?;
            sign(&wire.clone().namespace(&one), "the host").await?;
            sign(&wire.clone().namespace(&other), "the header").await?;
            let value = STANDARD_NO_PAD.encode(other.as_str());
            let answer = wire.namespace(&one).header("x-namespace-bin", value).execute(WHO).await?;
            let verdict = match scalar(&answer).as_deref() {
                Some("the host") => Verdict::AsDocumented,
                _ => Verdict::Undocumented,
            };
            let finding = format!("with both, the request is {}", who(&answer));
            Ok(Observation::new(verdict, finding).answered("Host and x-namespace-bin", &answer))
        }),
    },
    Probe {
        id: "x-namespace-bin-without-padding",
        claim: "`x-namespace-bin` takes base64",
        source: "gRPC, binary headers: accept padded and unpadded",
        area: Area::HttpAndSql,
        why: "A client with an ordinary base64 encoder fails for two names out of three",
        mitigation: "Encode without padding",
        how: "The same name with and without `=`",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            // A length that is not a multiple of three needs padding.
            let name = context.namespace(&stack, "pad").await?;
            let word = format!("{name}{}", &"xx"[..usize::from(name.as_str().len() % 3 == 0)]);
            let name: NamespaceName = word.parse()?;
            stack.admin()?.create(&name).await?;
            let wire = Wire::new(&stack, "primary")?.host("any.localhost");
            let ask = async |value: String| {
                wire.clone().header("x-namespace-bin", value).execute("SELECT 1").await
            };
            let bare = ask(STANDARD_NO_PAD.encode(&word)).await?;
            let padded = ask(STANDARD.encode(&word)).await?;
            let verdict = if (bare.status, padded.status) == (200, 200) {
                Verdict::AsDocumented
            } else {
                Verdict::Differs
            };
            let finding =
                format!("without padding {}, with padding {}", bare.status, padded.status);
            Ok(Observation::new(verdict, finding).answered("with padding", &padded))
        }),
    },
    Probe {
        id: "dev-path-is-partial",
        claim: "With /dev/NAME in the path, every interface of a namespace is available",
        source: "docs/USER_GUIDE, Path based routing: http://local:8080/dev/db1",
        area: Area::HttpAndSql,
        why: "A client that uses the cursor interface or sends GET /dev/NAME gets 404",
        mitigation: "Use host names",
        how: "GET /dev/NAME, and a pipeline and a cursor under it",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "dev").await?;
            let wire = Wire::new(&stack, "primary")?.namespace(&name);
            let requests = json!({ "requests": [execute("SELECT 1"), { "type": "close" }] });
            let root = wire.get(&format!("/dev/{name}")).await?;
            let pipeline = wire.post(&format!("/dev/{name}/v2/pipeline"), &requests).await?;
            let through = wire.post(&format!("/dev/{name}/v3/cursor"), &cursor()).await?;
            let direct = wire.post("/v3/cursor", &cursor()).await?;
            let statuses = [root.status, pipeline.status, through.status];
            let verdict =
                if statuses == [200; 3] { Verdict::AsDocumented } else { Verdict::Differs };
            let finding = format!(
                "/dev/NAME {}, its v2/pipeline {}, its v3/cursor {} (by host {})",
                root.status, pipeline.status, through.status, direct.status
            );
            Ok(Observation::new(verdict, finding)
                .answered("POST /dev/NAME/v2/pipeline", &pipeline)
                .answered("POST /dev/NAME/v3/cursor", &through))
        }),
    },
    Probe {
        id: "dev-path-needs-host-too",
        claim: "With /dev/NAME in the path the host name does not matter",
        source: "docs/USER_GUIDE, Path based routing: http://local:8080/dev/db1",
        area: Area::HttpAndSql,
        why: "With --disable-default-namespace the documented URL answers 400",
        mitigation: "Use host names",
        how: "The documented URL on a server without a default namespace",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "dev").await?;
            let wire = Wire::new(&stack, "primary")?;
            let requests = json!({ "requests": [execute("SELECT 1"), { "type": "close" }] });
            let path = format!("/dev/{name}/v2/pipeline");
            let answer = wire.post(&path, &requests).await?;
            let foreign = wire.host("no-such-namespace.localhost").post(&path, &requests).await?;
            let verdict = if (answer.status, foreign.status) == (200, 200) {
                Verdict::AsDocumented
            } else {
                Verdict::Differs
            };
            let finding = format!(
                "the path under localhost is answered {}, under the host of no namespace {}",
                answer.status, foreign.status
            );
            Ok(Observation::new(verdict, finding)
                .answered("Host: localhost", &answer)
                .answered("Host: no-such-namespace.localhost", &foreign))
        }),
    },
    Probe {
        id: "disabled-default-namespace-still-there",
        claim: "--disable-default-namespace leaves no namespace `default`",
        source: "sqld --help",
        area: Area::HttpAndSql,
        why: "A client that names it outright still gets a database that nobody created",
        mitigation: "Give tokens that name their namespace; refuse `default` at the proxy",
        how: "Asks as localhost and as default.localhost, and /health",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let wire = Wire::new(&stack, "primary")?;
            let unnamed = wire.execute("SELECT 1").await?;
            let health = wire.get("/health").await?;
            let named = wire.host("default.localhost").execute("SELECT 1").await?;
            let verdict =
                if named.status == 404 { Verdict::AsDocumented } else { Verdict::Differs };
            let finding = format!(
                "localhost is answered {}, default.localhost {}, /health {}",
                unnamed.status, named.status, health.status
            );
            Ok(Observation::new(verdict, finding)
                .answered("Host: localhost", &unnamed)
                .answered("Host: default.localhost", &named))
        }),
    },
    Probe {
        id: "create-without-namespaces-flag",
        claim: "Creating a namespace fails on a server without --enable-namespaces",
        source: "docs/ADMIN_API: the flag is needed; assumption (server-facts)",
        area: Area::HttpAndSql,
        why: "Nothing reports the missing flag, and every tenant shares one database",
        mitigation: "After a create, check that the new namespace is empty",
        how: "Creates one, writes to it by host name, and looks for the table in the default one",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.plain().await?;
            let name = context.name("unreachable")?;
            let created = stack.admin()?.create(&name).await;
            let wire = Wire::new(&stack, "primary")?;
            let mark = format!("CREATE TABLE of_{name} (x)");
            let marked = wire.clone().namespace(&name).execute(&mark).await?;
            let look = format!("SELECT name FROM sqlite_schema WHERE name = 'of_{name}'");
            let leaked = scalar(&wire.execute(&look).await?).is_some();
            let word = if created.is_ok() { "answered 200" } else { "refused" };
            let (verdict, finding) = if leaked {
                (
                    Verdict::Weakness,
                    format!("create is {word}, and the name's writes go to `default`"),
                )
            } else if created.is_ok() {
                (
                    Verdict::Undocumented,
                    "create is answered 200, and `default` stays clean".to_owned(),
                )
            } else {
                (Verdict::AsDocumented, "create is refused, and `default` stays clean".to_owned())
            };
            Ok(Observation::new(verdict, finding)
                .answered("CREATE TABLE at NAME.localhost", &marked))
        }),
    },
];

/// A server with the default namespace on, and `alpha`; each has a table that
/// identifies the database.
async fn with_default(context: &ProbeContext<'_>) -> Result<std::rc::Rc<EphemeralStack>> {
    let change = |plan: &mut StackPlan| {
        for service in &mut plan.services {
            service.command.retain(|word| word != "--disable-default-namespace");
        }
        Ok(())
    };
    let stack = context.primary(change).await?;
    let alpha: NamespaceName = "alpha".parse()?;
    stack.admin()?.create(&alpha).await?;
    let wire = Wire::new(&stack, "primary")?;
    sign(&wire, "default").await?;
    sign(&wire.namespace(&alpha), "alpha").await?;
    Ok(stack)
}

/// Leaves a name in the database that `wire` reaches.
async fn sign(wire: &Wire, name: &str) -> Result<()> {
    for sql in ["CREATE TABLE who (name)", &format!("INSERT INTO who VALUES ('{name}')")] {
        let answer = wire.execute(sql).await?;
        if verdict_of(&answer) != "ok" {
            return Err(Error::experiment(format!("cannot sign `{name}`: {}", answer.body)).into());
        }
    }
    Ok(())
}

/// Which database answers, or why none does.
fn who(answer: &Answer) -> String {
    match scalar(answer) {
        Some(name) => format!("answered by `{name}`"),
        None => format!("answered {} {}", answer.status, answer.excerpt()),
    }
}

const WHO: &str = "SELECT name FROM who";

async fn one_host(context: &ProbeContext<'_>, host: &str, what: &str) -> Result<Observation> {
    let stack = with_default(context).await?;
    let answer = Wire::new(&stack, "primary")?.host(host).execute(WHO).await?;
    context.discard(&stack).await?;
    let finding = format!("{what} is {}", who(&answer));
    Ok(Observation::new(Verdict::Undocumented, finding).answered(format!("Host: {host}"), &answer))
}

fn cursor() -> Value {
    json!({ "batch": { "steps": [{ "stmt": { "sql": "SELECT 1" } }] } })
}
