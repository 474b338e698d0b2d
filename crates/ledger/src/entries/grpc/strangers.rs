//! Who may act as a replica.

use std::time::Duration;

use super::wire::Caller;
use super::{filled, is_there};
use crate::{Area, Engines, Error, Observation, Probe, Verdict, within};
use demo_stack::plan::Interface;
use demo_stack::plan::blueprint::Variants;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "replica-needs-no-permission",
        claim: "The primary lets in only replicas that may read it",
        source: "docs/USER_GUIDE, replication: TLS is only recommended",
        area: Area::Security,
        why: "If anyone else starts a replica without a key, it opens every namespace to \
              everybody, for writing too",
        mitigation: "Use mutual TLS between primary and replicas, or a gRPC port that only they \
                     can reach, and the same key file on every replica",
        how: "A replica without SQLD_AUTH_JWT_KEY_FILE joins a primary with one; SELECT and INSERT \
              on it without a token",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context
                .own(Variants::NAMESPACED, |plan, _| {
                    for service in
                        plan.services.iter_mut().filter(|service| service.name == "replica")
                    {
                        service.environment.remove("SQLD_AUTH_JWT_KEY_FILE");
                    }
                    Ok(())
                })
                .await?;
            let name = filled(context, &stack).await?;
            let stranger = stack.anonymous("replica", Some(&name))?;
            let insert = "INSERT INTO t VALUES ('stranger')";
            let read =
                within(FIRST_REQUEST, stranger.execute("SELECT x FROM t")).await.transpose()?;
            let write = within(FIRST_REQUEST, stranger.execute(insert)).await.transpose()?;
            let read_it = read.as_ref().is_some_and(|reply| reply.scalar() == Some(super::ROW));
            let wrote_it = is_there(&stack, &name, "stranger").await?;
            context.discard(&stack).await?;
            let (verdict, finding) = match (read_it, wrote_it) {
                (true, true) => (
                    Verdict::Weakness,
                    "a replica without a key joins, and whoever asks it reads and writes the \
                     primary's data without a token",
                ),
                (true, false) => (
                    Verdict::Weakness,
                    "a replica without a key joins and lets everybody read, not write",
                ),
                (false, true) => {
                    (Verdict::Weakness, "a replica without a key lets everybody write, not read")
                }
                (false, false) => (Verdict::AsDocumented, "a replica without a key gets nothing"),
            };
            let said = |reply: Option<demo_sqld_client::hrana::Reply>| {
                reply.map_or_else(|| "no answer in time".to_owned(), |reply| reply.describe())
            };
            Ok(Observation::new(verdict, finding)
                .saw("SELECT on the replica, no token", said(read))
                .saw("INSERT on the replica, no token", said(write)))
        }),
    },
    Probe {
        id: "grpc-tls-demands-certificate",
        claim: "With --grpc-tls only holders of a client certificate can use the gRPC port",
        source: "docs/USER_GUIDE, TLS between primary and replicas",
        area: Area::Security,
        why: "It is the only authentication that the gRPC port has",
        mitigation: "none needed",
        how: "Hello and BatchLogEntries on the gRPC port of a primary with mutual TLS: in the \
              clear, over TLS without a certificate, and, as the control, with the replica's",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack =
                context.own(Variants { namespaced: true, tls: true }, |_, _| Ok(())).await?;
            let name = filled(context, &stack).await?;
            // The callers do not even look whose certificate the server has.
            let trusting = || {
                reqwest::Client::builder()
                    .no_proxy()
                    .danger_accept_invalid_certs(true)
                    .timeout(HANDSHAKE_DEADLINE)
            };
            let mut pem = Vec::new();
            for target in ["client_key.pem", "client_cert.pem"] {
                let mounts = &stack.service("replica")?.mounts;
                let mount = mounts.iter().find(|mount| mount.target.ends_with(target));
                let mount = mount.ok_or_else(|| Error::NotMounted { target: target.to_owned() })?;
                pem.extend(std::fs::read(&mount.source)?);
            }
            let identity = reqwest::Identity::from_pem(&pem)?;
            let address = stack.address("primary", Interface::Grpc)?;
            let callers = [
                ("in the clear", Caller::at_grpc_port(context, &stack)?),
                ("without a certificate", Caller::with_tls(trusting().build()?, address)),
                (
                    "with the replica's",
                    Caller::with_tls(trusting().identity(identity).build()?, address),
                ),
            ];
            let mut answers = Vec::new();
            for (who, caller) in callers {
                let answer = within(HANDSHAKE_DEADLINE, caller.namespace(&name).copy_log()).await;
                let (text, proof) = match answer {
                    None => ("no answer".to_owned(), String::new()),
                    Some(Err(error)) => ("a closed connection".to_owned(), format!("{error:#}")),
                    Some(Ok(reply)) => (reply.outcome(), reply.describe()),
                };
                answers.push((who, text, proof));
            }
            context.discard(&stack).await?;
            let let_in = |index: usize| answers[index].1 == "success";
            let verdict = match (let_in(0) || let_in(1), let_in(2)) {
                (true, _) => Verdict::Weakness,
                (false, true) => Verdict::AsDocumented,
                (false, false) => Verdict::Undocumented,
            };
            let parts: Vec<String> =
                answers.iter().map(|(who, text, _)| format!("{who} {text}")).collect();
            let finding = format!("with mutual TLS a caller gets {}", parts.join(", "));
            let observation = Observation::new(verdict, finding);
            Ok(answers.iter().fold(observation, |observation, (who, text, proof)| {
                observation.saw(format!("Hello, BatchLogEntries {who}"), format!("{text} {proof}"))
            }))
        }),
    },
];

/// A stranger's handshake takes milliseconds.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(2);
/// Longer than a first request to a replica takes under load.
const FIRST_REQUEST: Duration = Duration::from_secs(4);
