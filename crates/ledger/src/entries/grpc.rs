//! The services that replicas use: on the gRPC port, and for embedded replicas
//! on the HTTP port.

pub(super) mod clients;
pub(super) mod headers;
pub(super) mod own_key;
pub(super) mod restart;
pub(super) mod strangers;
pub(super) mod wire;

use serde_json::json;

use self::wire::{Caller, Reply};
use crate::{Area, Engines, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_stack::engine::ephemeral::EphemeralStack;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "grpc-reads-without-token",
        claim: "With a JWT key, nobody can read the database without a token",
        source: "docs/USER_GUIDE, Client Authentication",
        area: Area::Security,
        why: "Anyone who can reach the gRPC port can copy any namespace whose name they know",
        mitigation: "Bind the gRPC port to loopback or demand client certificates \
                     (--grpc-tls with --grpc-ca-cert-file)",
        how: "Hello and BatchLogEntries on the gRPC port without a token; the answer is searched \
              for a row",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = filled(context, &stack).await?;
            let reply = Caller::at_grpc_port(context, &stack)?.namespace(&name).copy_log().await?;
            let yes = "the gRPC port hands out the whole log of a namespace without a token";
            Ok(copied(&reply, yes, "the gRPC port refuses a caller without a token")
                .saw("Hello, BatchLogEntries on the gRPC port, no token", reply.describe()))
        }),
    },
    Probe {
        id: "grpc-writes-without-token",
        claim: "With a JWT key, nobody can write to the database without a token",
        source: "docs/USER_GUIDE, Client Authentication",
        area: Area::Security,
        why: "Anyone who can reach the gRPC port can claim any rights in a header",
        mitigation: "Bind the gRPC port to loopback or demand client certificates \
                     (--grpc-tls with --grpc-ca-cert-file)",
        how: "Proxy/Execute on the gRPC port with x-proxy-authorization: \"FullAccess\" inserts a \
              row, which is then read over HTTP",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = filled(context, &stack).await?;
            let caller =
                Caller::at_grpc_port(context, &stack)?.namespace(&name).with(GRANT.0, GRANT.1);
            let reply = caller.execute("INSERT INTO t VALUES ('stranger')").await?;
            let there = is_there(&stack, &name, "stranger").await?;
            let yes = "the gRPC port believes a caller without a token that claims full access: \
                       the row is written";
            Ok(written(there, &reply, yes, "the gRPC port refuses a caller without a token")
                .saw("INSERT over Proxy/Execute on the gRPC port, no token", reply.describe()))
        }),
    },
    Probe {
        id: "grpc-writes-need-header",
        claim: "The gRPC port runs no statement for a caller that states no rights",
        source: "assumption",
        area: Area::Security,
        why: "The only obstacle on the gRPC port is a header that anybody can send",
        mitigation: "Do not rely on it: see grpc-writes-without-token",
        how: "Proxy/Execute on the gRPC port without x-proxy-authorization",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = filled(context, &stack).await?;
            let caller = Caller::at_grpc_port(context, &stack)?.namespace(&name);
            let reply = caller.execute("INSERT INTO t VALUES ('stranger')").await?;
            let there = is_there(&stack, &name, "stranger").await?;
            let yes = "a caller that states no rights writes";
            Ok(written(there, &reply, yes, "a caller that states no rights is refused")
                .saw("INSERT over Proxy/Execute without x-proxy-authorization", reply.describe()))
        }),
    },
    Probe {
        id: "http-port-asks-replicas-for-token",
        claim: "On the HTTP port embedded replicas need a token, and their rights headers are not \
                trusted",
        source: "docs/USER_GUIDE, Client Authentication",
        area: Area::Security,
        why: "The HTTP port is the one that is published; it serves replication as well",
        mitigation: "none needed",
        how: "On the HTTP port, without a token: Hello, and Proxy/Execute with \
              x-proxy-authorization: \"FullAccess\"",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = filled(context, &stack).await?;
            let log = Caller::at_http_port(context, &stack)?.namespace(&name).copy_log().await?;
            let caller =
                Caller::at_http_port(context, &stack)?.namespace(&name).with(GRANT.0, GRANT.1);
            let write = caller.execute("INSERT INTO t VALUES ('stranger')").await?;
            let there = is_there(&stack, &name, "stranger").await?;
            let closed = !log.granted() && !there;
            let (log_outcome, write_outcome) = (log.outcome(), write.outcome());
            let finding = format!(
                "without a token the HTTP port answers Hello with {log_outcome} and a write with \
                 {write_outcome}{}",
                if there { ", and the row is written" } else { "" }
            );
            let verdict = if closed { Verdict::AsDocumented } else { Verdict::Weakness };
            Ok(Observation::new(verdict, finding)
                .saw("Hello on the HTTP port, no token", log.describe())
                .saw("INSERT over Proxy/Execute on the HTTP port, no token", write.describe()))
        }),
    },
    Probe {
        id: "scoped-token-copies-other-namespace",
        claim: "A token limited to one namespace cannot read another",
        source: "sqld issue 590 and the server's tests of the `id` claim",
        area: Area::Security,
        why: "Tenants with a token for their own namespace can copy every other one",
        mitigation: "Give every namespace its own `jwt_key`, or let a proxy pass only /v2 and /v3 \
                     to the HTTP port",
        how: "With a token {\"id\": A, \"a\": \"ro\"}: Hello and BatchLogEntries for B on the HTTP \
              port; SQL on B is the control",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (own, other) = (context.name("grpc")?, filled(context, &stack).await?);
            let token = stack.token_with(&json!({ "id": own, "a": "ro" }))?;
            let sql = stack.anonymous("primary", Some(&other))?.token(&token);
            let control = sql.execute("SELECT x FROM t").await?;
            let caller = Caller::at_http_port(context, &stack)?.namespace(&other).token(&token);
            let reply = caller.copy_log().await?;
            let yes = if control.succeeded() {
                "a token for one namespace reads another, over SQL and over replication"
            } else {
                "a token for one namespace copies the whole log of another, which SQL refuses it"
            };
            Ok(copied(&reply, yes, "a token for one namespace is refused the log of another")
                .saw("Hello, BatchLogEntries on the HTTP port", reply.describe())
                .replied("SELECT with the same token", &control))
        }),
    },
    Probe {
        id: "scoped-token-writes-other-namespace",
        claim: "A token limited to one namespace cannot write to another over replication",
        source: "assumption; the write path of embedded replicas",
        area: Area::Security,
        why: "Reads are not confined there (scoped-token-copies-other-namespace)",
        mitigation: "Give every namespace its own `jwt_key`",
        how: "With a token {\"id\": A, \"a\": \"rw\"}: Proxy/Execute inserts into B on the HTTP \
              port",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (own, other) = (context.name("grpc")?, filled(context, &stack).await?);
            let token = stack.token_with(&json!({ "id": own, "a": "rw" }))?;
            let caller = Caller::at_http_port(context, &stack)?.namespace(&other).token(&token);
            let reply = caller.execute("INSERT INTO t VALUES ('stranger')").await?;
            let there = is_there(&stack, &other, "stranger").await?;
            let yes = "a token for one namespace writes to another over Proxy/Execute";
            Ok(written(there, &reply, yes, "a token for one namespace cannot write to another")
                .saw("INSERT over Proxy/Execute on the HTTP port", reply.describe()))
        }),
    },
    Probe {
        id: "read-only-token-writes-as-replica",
        claim: "A read-only token cannot write through the services of embedded replicas",
        source: "assumption; the write path of embedded replicas",
        area: Area::Security,
        why: "A second way to write must enforce the same rights",
        mitigation: "none needed",
        how: "With a token {\"a\": \"ro\"}: Proxy/Execute inserts a row on the HTTP port; a token \
              {\"a\": \"rw\"} does the same as the control",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = filled(context, &stack).await?;
            let caller =
                || Ok::<_, anyhow::Error>(Caller::at_http_port(context, &stack)?.namespace(&name));
            let token = stack.token_with(&json!({ "a": "ro" }))?;
            let reply = caller()?.token(&token).execute("INSERT INTO t VALUES ('reader')").await?;
            let there = is_there(&stack, &name, "reader").await?;
            let full = stack.token_with(&json!({ "a": "rw" }))?;
            let control = caller()?.token(&full).execute("INSERT INTO t VALUES ('writer')").await?;
            if !is_there(&stack, &name, "writer").await? {
                let finding = format!("no token writes over Proxy/Execute ({})", control.outcome());
                return Ok(Observation::new(Verdict::Undocumented, finding)
                    .saw("INSERT with {\"a\":\"rw\"}", control.describe()));
            }
            let yes = "a read-only token writes over Proxy/Execute";
            Ok(written(there, &reply, yes, "a read-only token cannot write over Proxy/Execute")
                .saw("INSERT over Proxy/Execute with {\"a\":\"ro\"}", reply.describe()))
        }),
    },
];

/// Text that only the row of [`filled`] has.
const ROW: &str = "row-4d1f-of-the-grpc-probes";
pub(super) const GRANT: (&str, &str) = ("x-proxy-authorization", "\"FullAccess\"");

/// A new namespace with one row.
async fn filled(context: &ProbeContext<'_>, stack: &EphemeralStack) -> Result<NamespaceName> {
    let name = context.namespace(stack, "grpc").await?;
    let hrana = stack.hrana("primary", Some(&name))?;
    for sql in ["CREATE TABLE t (x)", &format!("INSERT INTO t VALUES ('{ROW}')")] {
        must(&hrana.execute(sql).await?)?;
    }
    Ok(name)
}

/// The preparation of a probe has to work.
fn must(reply: &demo_sqld_client::hrana::Reply) -> Result<(), Error> {
    if reply.succeeded() {
        return Ok(());
    }
    Err(Error::experiment_saw("the server refused a statement", reply.describe()))
}

/// Whether a row with `text` is there, as an administrator sees it.
async fn is_there(stack: &EphemeralStack, name: &NamespaceName, text: &str) -> Result<bool> {
    let sql = format!("SELECT count(*) FROM t WHERE x = '{text}'");
    let reply = stack.hrana("primary", Some(name))?.execute(&sql).await?;
    must(&reply)?;
    Ok(reply.scalar() != Some("0"))
}

/// What became of an attempt to copy the log.
fn copied(reply: &Reply, yes: &str, no: &str) -> Observation {
    if reply.granted() && reply.holds(ROW) {
        Observation::new(Verdict::Weakness, yes)
    } else if reply.granted() {
        Observation::new(Verdict::Undocumented, "the log is granted but does not hold the row")
    } else {
        Observation::new(Verdict::AsDocumented, format!("{no} ({})", reply.outcome()))
    }
}

/// What became of an attempt to write.
fn written(there: bool, reply: &Reply, yes: &str, no: &str) -> Observation {
    if there {
        Observation::new(Verdict::Weakness, yes)
    } else if reply.granted() {
        let finding = "the call succeeds, but nothing is written";
        Observation::new(Verdict::AsDocumented, finding)
    } else {
        Observation::new(Verdict::AsDocumented, format!("{no} ({})", reply.outcome()))
    }
}
