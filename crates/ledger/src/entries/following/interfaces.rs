//! A replica's Admin API, and listening at a replica.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::support::{run, shows};
use crate::{Area, Engines, Error, Observation, Probe, ProbeContext, Verdict, within};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::admin::Admin;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::blueprint::Variants;
use demo_stack::plan::{Interface, PortPlan};

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "replica-admin-api",
        claim: "The Admin API of a replica refuses what only a primary can do",
        source: "ADMIN_API says nothing of replicas",
        area: Area::Replication,
        why: "A script that reaches the wrong server should get an error",
        mitigation: "Send admin requests to the primary only; give replicas no admin address",
        how: "Sends create, fork and dump to a replica and looks at status and effect",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let (stack, name) = with_admin_replica(context).await?;
            let replica = admin_of_replica(&stack)?;
            let create =
                replica.raw(Method::POST, "/v1/namespaces/made/create", Some(&json!({}))).await?;
            let fork = format!("/v1/namespaces/{name}/fork/forked");
            let fork = replica.raw(Method::POST, &fork, None).await?;
            let dump = stack.address("replica", Interface::Http)?;
            let token = stack.full_token()?;
            let dump = context
                .http()
                .get(format!("http://{dump}/dump"))
                .bearer_auth(token.expose_secret())
                .header("host", format!("{name}.localhost"));
            let dump = demo_sqld_client::http::Answer::to(dump, "the replica").await?;
            let mut made = 0;
            for text in ["made", "forked"] {
                let name: NamespaceName = text.parse()?;
                made += usize::from(stack.admin()?.exists(&name).await?);
            }
            context.discard(&stack).await?;
            let effect = if made == 0 { "nothing is made" } else { "namespaces are made" };
            let finding = format!(
                "a replica answers create {}, fork {} and dump {}, and {effect}",
                create.status, fork.status, dump.status
            );
            let refused =
                [create.status, fork.status, dump.status].iter().all(|status| *status >= 400);
            let verdict =
                if refused && made == 0 { Verdict::AsDocumented } else { Verdict::Undocumented };
            Ok(Observation::new(verdict, finding)
                .answered("POST create on the replica", &create)
                .answered("POST fork on the replica", &fork)
                .answered("GET /dump on the replica", &dump))
        }),
    },
    Probe {
        id: "replica-listen-is-silent",
        claim: "/beta/listen reports changes on a replica as it does on the primary",
        source: "assumption; `sqld --help` does not explain --http-primary-url",
        area: Area::Replication,
        why: "A listener on a replica waits forever without an error",
        mitigation: "Listen at the primary, or give the replica --http-primary-url",
        how: "Listens at both servers for a table, writes a row, waits for the event at each",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.plain().await?;
            let table = context.name("listen")?;
            let primary = stack.hrana("primary", None)?;
            run(&primary, &[&format!("CREATE TABLE {table} (x)")]).await?;
            let replica = stack.hrana("replica", None)?;
            if !shows(&replica, &format!("SELECT count(*) FROM {table}"), "0").await {
                return Err(Error::experiment("the replica does not show the table").into());
            }
            let mut streams = Vec::new();
            for service in ["primary", "replica"] {
                let response = listening(context, &stack, service, table.as_str()).await?;
                streams.push((service, response.status().as_u16(), response));
            }
            run(&primary, &[&format!("INSERT INTO {table} VALUES (1)")]).await?;
            let read = format!("SELECT count(*) FROM {table}");
            let followed = shows(&replica, &read, "1").await;
            let mut told = Vec::new();
            for (service, status, mut response) in streams {
                let event = within(EVENT, response.chunk()).await.transpose()?.flatten();
                told.push((service, status, event.is_some()));
            }
            let says = |event: bool| if event { "tells of the change" } else { "tells nothing" };
            let parts: Vec<String> = told
                .iter()
                .map(|(service, status, event)| {
                    format!("the {service} answers {status} and {}", says(*event))
                })
                .collect();
            let same = told.iter().all(|(_, _, event)| *event);
            let verdict = if same { Verdict::AsDocumented } else { Verdict::Differs };
            Ok(Observation::new(verdict, parts.join("; "))
                .saw("the row reached the replica", followed.to_string()))
        }),
    },
    Probe {
        id: "replica-listen-redirects",
        claim: "With --http-primary-url a replica sends listeners to the primary",
        source: "`sqld --help` names the flag without a word",
        area: Area::Replication,
        why: "It is the one use of the flag, and clients must follow the redirect",
        mitigation: "Set the flag to a URL that clients, not only servers, can reach",
        how: "Asks a replica with the flag for /beta/listen and looks at the status",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context
                .own(Variants::DEFAULT, |plan, _| {
                    for service in
                        plan.services.iter_mut().filter(|service| service.name == "replica")
                    {
                        let words = ["--http-primary-url", "http://primary:8080"];
                        service.command.extend(words.map(str::to_owned));
                    }
                    Ok(())
                })
                .await?;
            let statements = ["CREATE TABLE t (x)", "INSERT INTO t VALUES (7)"];
            run(&stack.hrana("primary", None)?, &statements).await?;
            shows(&stack.hrana("replica", None)?, READ, "7").await;
            let response = listening(context, &stack, "replica", "t").await?;
            let status = response.status().as_u16();
            let place = response.headers().get("location").and_then(|value| value.to_str().ok());
            let place = place.unwrap_or("no location").to_owned();
            context.discard(&stack).await?;
            let seen = match status {
                307 => Observation::new(
                    Verdict::Undocumented,
                    "a replica with the flag redirects listeners to the primary with 307",
                ),
                other => Observation::new(
                    Verdict::Differs,
                    format!("a replica with the flag answers a listener {other}"),
                ),
            };
            Ok(seen.saw("GET /beta/listen on the replica", format!("{status} {place}")))
        }),
    },
];

const READ: &str = "SELECT x FROM t";
/// An event comes within milliseconds, where one comes.
const EVENT: Duration = Duration::from_millis(1500);

/// Begins to listen for changes of `table`.
async fn listening(
    context: &ProbeContext<'_>,
    stack: &EphemeralStack,
    service: &str,
    table: &str,
) -> Result<reqwest::Response> {
    let address = stack.address(service, Interface::Http)?;
    let url = format!("http://{address}/beta/listen?table={table}");
    let token = stack.full_token()?;
    Ok(context.http().get(url).bearer_auth(token.expose_secret()).send().await?)
}

/// A stack whose replica has an Admin API, and a namespace that the replica has.
async fn with_admin_replica(
    context: &ProbeContext<'_>,
) -> Result<(Rc<EphemeralStack>, NamespaceName)> {
    const PORT: u16 = 8082;
    let stack = context
        .own(Variants::NAMESPACED, |plan, _| {
            let key = plan.admin_key().map(str::to_owned).unwrap_or_default();
            for service in plan.services.iter_mut().filter(|service| service.name == "replica") {
                let listen = ["--admin-listen-addr".to_owned(), format!("0.0.0.0:{PORT}")];
                service.command.extend(listen);
                service.environment.insert("LIBSQL_ADMIN_AUTH_KEY".to_owned(), key.clone());
                let host = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
                service.ports.push(PortPlan { host, target: PORT });
            }
            Ok(())
        })
        .await?;
    let name = context.namespace(&stack, "admin").await?;
    let statements = ["CREATE TABLE t (x)", "INSERT INTO t VALUES (7)"];
    run(&stack.hrana("primary", Some(&name))?, &statements).await?;
    if !shows(&stack.hrana("replica", Some(&name))?, READ, "7").await {
        return Err(Error::experiment("the replica does not show the namespace").into());
    }
    Ok((stack, name))
}

fn admin_of_replica(stack: &EphemeralStack) -> Result<Admin> {
    let key = stack.plan.admin_key().map(|key| SecretString::from(key.to_owned()));
    let address = stack.address("replica", Interface::Admin)?;
    Ok(Admin::new(stack.http.clone(), address, key.as_ref()))
}
