//! Replicas that TLS lets in, or keeps out.

use std::path::Path;

use super::certificates::Shape;
use crate::entries::following::support::{
    PATIENCE, ask, eventually, health, outcome, run, said, words,
};
use crate::{Area, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld_client::hrana::Reply;
use demo_stack::plan::StackPlan;
use demo_stack::plan::blueprint::Variants;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "certificates-without-grpc-tls",
        claim: "A primary that is given certificates uses TLS",
        source: "assumption; USER_GUIDE, Launching a primary server",
        area: Area::Security,
        why: "One forgotten flag leaves the port open without a warning",
        mitigation: "Check with a replica that has no certificate: it must not get in",
        how: "Takes only --grpc-tls from a primary's command; a replica without certificate reads",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let seen = look(context, |plan, _| {
                for service in plan.services.iter_mut().filter(|service| service.name == "primary")
                {
                    service.command.retain(|word| word != "--grpc-tls");
                }
                without_tls(plan, "http://");
                Ok(())
            });
            let seen = seen.await?;
            let verdict = if seen.served() { Verdict::Weakness } else { Verdict::AsDocumented };
            let finding = format!(
                "the certificates of a primary without --grpc-tls {}: a read at a replica that has \
                 none {}",
                if seen.served() { "are ignored" } else { "are in use" },
                outcome(seen.read.as_ref())
            );
            Ok(seen.evidence(Observation::new(verdict, finding)))
        }),
    },
    Probe {
        id: "tls-needs-name-sqld",
        claim: "The server certificate must carry the host name that the replica dials",
        source: "the rule of TLS; USER_GUIDE, TLS configuration is silent",
        area: Area::Replication,
        why: "Certificates of a company CA, issued for host names, do not work",
        mitigation: "Add the name `sqld` to the server certificate; `demo certs generate` does",
        how: "The same certificates with and without the name `sqld`; a replica reads with each",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let named = look(context, |_, folder| Shape::GOOD.write(folder));
            let host_names =
                Shape { server_names: &["primary", "localhost", "127.0.0.1"], ..Shape::GOOD };
            let unnamed = look(context, |_, folder| host_names.write(folder));
            let (named, unnamed) = futures::join!(named, unnamed);
            let (named, unnamed) = (named?, unnamed?);
            let verdict = match (named.served(), unnamed.served()) {
                (true, true) => Verdict::AsDocumented,
                (true, false) => Verdict::Differs,
                (false, _) => Verdict::Undocumented,
            };
            let finding = format!(
                "with the name `sqld` in the server certificate a read {}, with host names alone \
                 it {}",
                outcome(named.read.as_ref()),
                outcome(unnamed.read.as_ref())
            );
            let observation = Observation::new(verdict, finding);
            Ok(unnamed.evidence(observation.saw("with `sqld`", words(named.read.as_ref()))))
        }),
    },
    Probe {
        id: "tls-foreign-replica",
        claim: "A replica whose certificate was signed by another CA is refused",
        source: "USER_GUIDE, TLS configuration",
        area: Area::Security,
        why: "The gRPC port has no other protection",
        mitigation: "Nothing to do; keep the CA's key away from the servers",
        how: "Gives the replica a client certificate of another CA, and reads",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let shape = Shape { client_foreign: true, ..Shape::GOOD };
            let seen = look(context, |_, folder| shape.write(folder)).await?;
            let verdict = if seen.served() { Verdict::Weakness } else { Verdict::AsDocumented };
            Ok(seen.observation(verdict, "a replica of another CA"))
        }),
    },
    Probe {
        id: "tls-expired-client",
        claim: "A replica reports that its certificate has expired",
        source: "assumption",
        area: Area::Replication,
        why: "Replication stops on the expiry date while every health check stays green",
        mitigation: "Monitor the expiry dates; `demo certs show` prints them",
        how: "Gives the replica a client certificate that ended in 2020, reads, asks /health",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let shape = Shape { client_expired: true, ..Shape::GOOD };
            let seen = look(context, |_, folder| shape.write(folder)).await?;
            let verdict = if seen.served() { Verdict::Weakness } else { Verdict::Undocumented };
            Ok(seen.observation(verdict, "a replica with an expired certificate"))
        }),
    },
    Probe {
        id: "tls-expired-server",
        claim: "A primary whose certificate has expired does not start",
        source: "assumption",
        area: Area::Replication,
        why: "The primary looks healthy while no replica can reach it",
        mitigation: "Monitor the expiry dates; `demo certs show` prints them",
        how: "Gives the primary a certificate that ended in 2020, reads at the replica",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let shape = Shape { server_expired: true, ..Shape::GOOD };
            let seen = look(context, |_, folder| shape.write(folder)).await?;
            let verdict = if seen.served() { Verdict::Weakness } else { Verdict::Undocumented };
            Ok(seen.observation(verdict, "the replica of a primary with an expired certificate"))
        }),
    },
    Probe {
        id: "tls-flag-with-http-url",
        claim: "A replica with --primary-grpc-tls refuses an http URL",
        source: "assumption; sqld issue 616",
        area: Area::Replication,
        why: "A typo in a URL shows only as requests that never finish",
        mitigation: "Read one row at every replica after each start; /health proves nothing",
        how: "Gives a replica with the TLS flags an http URL, reads, asks /health, reads its log",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let seen = look(context, |plan, _| {
                set_scheme(plan, "http://");
                Ok(())
            });
            let seen = seen.await?;
            Ok(seen.observation(seen.silent(), "a replica with TLS and an http URL"))
        }),
    },
    Probe {
        id: "https-url-without-flag",
        claim: "A replica with an https URL uses TLS",
        source: "assumption; DOCKER has SQLD_PRIMARY_URL=https://… and no flag",
        area: Area::Replication,
        why: "The documented way to start a replica's container cannot work",
        mitigation: "Pass --primary-grpc-tls and the three files as well",
        how: "Takes the TLS flags from a replica with an https URL, reads, asks /health",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let seen = look(context, |plan, _| {
                without_tls(plan, "https://");
                Ok(())
            });
            let seen = seen.await?;
            let verdict = if seen.served() { Verdict::AsDocumented } else { Verdict::Differs };
            Ok(seen.observation(verdict, "a replica with an https URL and no TLS flag"))
        }),
    },
    Probe {
        id: "plain-replica-of-tls-primary",
        claim: "The primary tells a replica without TLS what is wrong",
        source: "assumption; sqld issue 616",
        area: Area::Replication,
        why: "A replica that never joins passes every health check",
        mitigation: "Read one row at every replica after each start; /health proves nothing",
        how: "Takes TLS from a replica altogether, reads, asks /health, reads its log",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let seen = look(context, |plan, _| {
                without_tls(plan, "http://");
                Ok(())
            });
            let seen = seen.await?;
            Ok(seen.observation(seen.silent(), "a replica without TLS at a primary with TLS"))
        }),
    },
];

/// What a replica logs about a connection that it cannot make.
const COMPLAINT: &str = "error connecting to primary";

/// What a replica did for its first request.
struct Seen {
    read: Option<Reply>,
    health: u16,
    complaint: Option<String>,
}

impl Seen {
    fn served(&self) -> bool {
        self.read.as_ref().is_some_and(|reply| reply.scalar() == Some("7"))
    }

    /// A replica that cannot follow and looks well.
    fn silent(&self) -> Verdict {
        if self.read.is_none() && self.health == 200 {
            Verdict::Undocumented
        } else {
            Verdict::AsDocumented
        }
    }

    fn observation(&self, verdict: Verdict, who: &str) -> Observation {
        let read = outcome(self.read.as_ref());
        let log = if self.complaint.is_some() { "complains" } else { "is silent" };
        let health = self.health;
        let finding = format!("a read at {who} {read}, its /health says {health}, its log {log}");
        self.evidence(Observation::new(verdict, finding))
    }

    fn evidence(&self, observation: Observation) -> Observation {
        let complaint = self.complaint.as_deref().unwrap_or("nothing of the connection");
        observation
            .saw("SELECT on the replica", words(self.read.as_ref()))
            .saw("the replica's log", complaint)
    }
}

/// Starts the TLS stack with a change, reads a row of the primary at the replica.
async fn look(
    context: &ProbeContext<'_>,
    change: impl FnOnce(&mut StackPlan, &Path) -> Result<()>,
) -> Result<Seen> {
    let stack = context.own(Variants::TLS, change).await?;
    let statements = ["CREATE TABLE t (x)", "INSERT INTO t VALUES (7)"];
    run(&stack.hrana("primary", None)?, &statements).await?;
    let replica = stack.hrana("replica", None)?;
    let mut read = ask(&replica, "SELECT x FROM t").await?;
    // One that answers may still be a moment behind.
    if read.is_some() {
        eventually(PATIENCE, async || {
            let reply = replica.execute("SELECT x FROM t").await?;
            let there = reply.succeeded();
            read = Some(reply);
            Ok(there)
        })
        .await;
    }
    let health = health(&stack, "replica").await?;
    let complaint = said(&stack, "replica", COMPLAINT).await?;
    context.discard(&stack).await?;
    Ok(Seen { read, health, complaint })
}

/// Takes every TLS flag from the replica.
fn without_tls(plan: &mut StackPlan, scheme: &str) {
    for service in plan.services.iter_mut().filter(|service| service.name == "replica") {
        let mut kept = Vec::new();
        let mut words = service.command.drain(..);
        while let Some(word) = words.next() {
            match word.strip_prefix("--primary-grpc-") {
                Some("tls") => {}
                Some(_with_value) => {
                    words.next();
                }
                None => kept.push(word),
            }
        }
        drop(words);
        service.command = kept;
    }
    set_scheme(plan, scheme);
}

/// Gives the replica's URL of its primary this scheme.
fn set_scheme(plan: &mut StackPlan, scheme: &str) {
    for service in &mut plan.services {
        if let Some(url) = service.environment.get_mut("SQLD_PRIMARY_URL") {
            *url = url.replace("https://", scheme);
        }
    }
}
