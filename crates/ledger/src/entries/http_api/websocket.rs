//! Refusals over WebSocket.

use std::net::SocketAddr;

use secrecy::ExposeSecret;
use serde_json::json;

use crate::entries::websocket::{Received, Socket};
use crate::{Area, Engines, Observation, Probe, Verdict};
use demo_base::error::Result;
use demo_stack::plan::Interface;

pub(in crate::entries) const PROBES: &[Probe] = &[Probe {
    id: "websocket-drops-without-reason",
    claim: "Over WebSocket a refusal is a `response_error`",
    source: "docs/HRANA_3_SPEC: \"must eventually send\" one or the other",
    area: Area::HttpAndSql,
    why: "A missing right looks like a network failure",
    mitigation: "Use HTTP",
    how: "With a token for one namespace: hello and open_stream on another, and on none",
    engines: Engines::Both,
    check: &Probe::check(async |context| {
        let stack = context.namespaced().await?;
        let (own, other) =
            (context.namespace(&stack, "own").await?, context.namespace(&stack, "other").await?);
        let nobody = context.name("nobody")?;
        let token = stack.token_with(&json!({ "a": "rw", "id": own.as_str() }))?;
        let address = stack.address("primary", Interface::Http)?;
        let ask = async |host: String| greet(address, &host, token.expose_secret()).await;
        let right = ask(format!("{own}.localhost")).await?;
        let wrong = ask(format!("{other}.localhost")).await?;
        let missing = ask(format!("{nobody}.localhost")).await?;
        let explained = |said: &str| said.contains("error") || said.contains("no WebSocket");
        let verdict = if explained(&wrong) && explained(&missing) {
            Verdict::AsDocumented
        } else {
            Verdict::Differs
        };
        let finding =
            format!("own namespace: {right}; another: {wrong}; one that is not: {missing}");
        Ok(Observation::new(verdict, finding)
            .saw("hello and open_stream on another namespace", wrong))
    }),
}];

/// What the server answers to hello and `open_stream`, one word each.
async fn greet(address: SocketAddr, host: &str, token: &str) -> Result<String> {
    let mut socket = match Socket::open(address, host, "hrana3").await? {
        Ok(socket) => socket,
        Err(status) => return Ok(format!("no WebSocket (HTTP/1.1 {status})")),
    };
    let hello = socket.ask(&json!({ "type": "hello", "jwt": token })).await;
    if !matches!(&hello, Received::Message(_)) {
        return Ok(hello.describe());
    }
    let opened = socket.request(0, json!({ "type": "open_stream", "stream_id": 0 })).await;
    Ok(format!("{}, then {}", hello.describe(), opened.describe()))
}
