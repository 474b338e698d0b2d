//! From when until when a token counts, and who it is for.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::answers::{judge, outcome};
use super::{READ, WRITE, with_claims};
use crate::entries::websocket::Session;
use crate::{Area, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_stack::plan::Interface;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "token-expiry-leeway",
        claim: "A token is refused from the second its `exp` passes",
        source: "RFC 7519, 4.1.4; the Configuration Guide article, \"checks the expiration date\"",
        area: Area::Security,
        why: "A token issued for one minute is valid for two",
        mitigation: "Subtract a minute when minting short-lived tokens",
        how: "A token that ended 50 s ago reads",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let known = [
                ("200", Verdict::Differs, "a token is accepted for most of a minute after its end"),
                ("401", Verdict::AsDocumented, "a token is refused soon after its end"),
            ];
            let claims = json!({ "a": "rw", "exp": from_now(-50) });
            one(context, "exp 50 s ago", claims, READ, &known).await
        }),
    },
    Probe {
        id: "token-expired-401",
        claim: "A token that has expired is refused",
        source: "the Configuration Guide article, \"The Database checks the expiration date\"",
        area: Area::Security,
        why: "Expiry is the only end of a token: it cannot be revoked",
        mitigation: "Mint short-lived tokens; to revoke one, change the server's key and restart \
                     it",
        how: "A token that ended 75 s ago reads",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let known = [
                (
                    "401",
                    Verdict::AsDocumented,
                    "a token that ended over a minute ago is refused with 401",
                ),
                ("200", Verdict::Weakness, "a token that ended over a minute ago is accepted"),
            ];
            let claims = json!({ "a": "rw", "exp": from_now(-75) });
            one(context, "exp 75 s ago", claims, READ, &known).await
        }),
    },
    Probe {
        id: "token-exp-null-never-ends",
        claim: "A token with `exp` = null is refused",
        source: "RFC 7519, 4.1.4: exp is a number",
        area: Area::Security,
        why: "A mint that fails to compute the expiry issues a token that never expires",
        mitigation: "Refuse to mint without a number in `exp`",
        how: "A token {\"a\":\"rw\",\"exp\":null} reads",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let known = [
                ("200", Verdict::Weakness, "a token with `exp` = null is accepted and never ends"),
                ("401", Verdict::AsDocumented, "a token with `exp` = null is refused with 401"),
            ];
            one(context, "exp null", json!({ "a": "rw", "exp": null }), READ, &known).await
        }),
    },
    Probe {
        id: "token-exp-fraction-refused",
        claim: "`exp` may have a fraction, as RFC 7519 allows",
        source: "RFC 7519, 2: NumericDate may be a non-integer",
        area: Area::Security,
        why: "JavaScript's `Date.now() / 1000` without Math.floor makes tokens that never work",
        mitigation: "Round `exp` to whole seconds",
        how: "Tokens that end in an hour, written as a fraction and as text, read",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let fraction = json!({ "a": "rw", "exp": f64::from(4_000_000_000_u32) + 0.5 });
            let text = json!({ "a": "rw", "exp": from_now(3600).to_string() });
            let (fraction, first) = ask(context, "exp with a fraction", &fraction, READ).await?;
            let (text, second) = ask(context, "exp as text", &text, READ).await?;
            let known = [
                (
                    "401 and 401",
                    Verdict::Differs,
                    "a token whose `exp` is not a whole number is refused",
                ),
                ("200 and 401", Verdict::AsDocumented, "`exp` may have a fraction, but be no text"),
                ("200 and 200", Verdict::Undocumented, "`exp` may have a fraction or be text"),
            ];
            Ok(judge(&format!("{fraction} and {text}"), &known).saw(READ, first).saw(READ, second))
        }),
    },
    Probe {
        id: "token-without-exp-never-ends",
        claim: "A token without `exp` ends some time after its `iat`",
        source: "assumption; the Configuration Guide article's first example has no exp",
        area: Area::Security,
        why: "Such a token that leaks opens the database until the server's key is changed",
        mitigation: "Always mint `exp`; `demo token mint` asks for a lifetime",
        how: "A token that was issued in 1970 and has no `exp` writes",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let known = [
                ("200", Verdict::Weakness, "a token without `exp` never ends"),
                ("401", Verdict::AsDocumented, "a token without `exp` is refused with 401"),
            ];
            one(context, "iat 0, no exp", json!({ "a": "rw", "iat": 0 }), WRITE, &known).await
        }),
    },
    Probe {
        id: "token-not-before-ignored",
        claim: "A token is refused before its `nbf`",
        source: "RFC 7519, 4.1.5; the worker of the Configuration Guide article sets nbf",
        area: Area::Security,
        why: "A token issued in advance is valid at once",
        mitigation: "Mint the token when it should become valid; do not rely on `nbf`",
        how: "A token with `nbf` in an hour writes now",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let known = [
                ("200", Verdict::Weakness, "`nbf` is ignored: a token counts before it begins"),
                ("401", Verdict::AsDocumented, "a token is refused with 401 before its `nbf`"),
            ];
            let claims = json!({ "a": "rw", "nbf": from_now(3600), "exp": from_now(7200) });
            one(context, "nbf in an hour", claims, WRITE, &known).await
        }),
    },
    Probe {
        id: "token-issued-in-the-future",
        claim: "A token whose `iat` lies in the future is refused",
        source: "assumption",
        area: Area::Security,
        why: "The mint's clock does not matter, and `iat` proves nothing",
        mitigation: "None needed; do not rely on `iat`",
        how: "A token with `iat` in an hour reads now",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let known = [
                (
                    "200",
                    Verdict::Undocumented,
                    "`iat` is ignored: a token of the future is accepted",
                ),
                ("401", Verdict::AsDocumented, "a token of the future is refused with 401"),
            ];
            let claims = json!({ "a": "rw", "iat": from_now(3600), "exp": from_now(7200) });
            one(context, "iat in an hour", claims, READ, &known).await
        }),
    },
    Probe {
        id: "token-audience-refused",
        claim: "Standard claims that the server does not use are ignored",
        source: "assumption",
        area: Area::Security,
        why: "Identity providers put `aud` into every token, so none of theirs works unchanged",
        mitigation: "Mint tokens for the database without `aud`",
        how: "Tokens with `iss`, `sub` and `jti`, and with `aud` too, read",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let others = json!({ "a": "rw", "iss": "https://id.invalid", "sub": "u", "jti": "1" });
            let mut with_audience = others.clone();
            with_audience["aud"] = json!("database");
            let (others, first) = ask(context, "iss, sub and jti", &others, READ).await?;
            let (refused, second) = ask(context, "aud as well", &with_audience, READ).await?;
            let known = [
                (
                    "200 and 401",
                    Verdict::Undocumented,
                    "a token with any `aud` is refused with 401; `iss`, `sub` and `jti` are \
                     ignored",
                ),
                ("200 and 200", Verdict::AsDocumented, "`aud`, `iss`, `sub` and `jti` are ignored"),
            ];
            Ok(judge(&format!("{others} and {refused}"), &known).saw(READ, first).saw(READ, second))
        }),
    },
    Probe {
        id: "websocket-outlives-its-token",
        claim: "A WebSocket that is open ends when its token does",
        source: "Hrana specification, hello message",
        area: Area::Security,
        why: "Anyone who keeps a socket open keeps the access that an expired token gave",
        mitigation: "Close WebSockets at a proxy after the lifetime of a token, or allow HTTP only",
        how: "A socket says hello with a token that ends within seconds; when HTTP answers 401 to \
              the same token, the socket writes",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "socket").await?;
            let full = stack.hrana("primary", Some(&name))?;
            full.execute("CREATE TABLE t (x)").await?;
            // The server allows a minute more, so this one has two or three seconds left.
            let token = stack.token_with(&json!({ "a": "rw", "exp": from_now(-58) }))?;
            let address = stack.address("primary", Interface::Http)?;
            let mut socket = Session::open(address, &name, &token).await?;
            let before = socket.execute("INSERT INTO t VALUES (1)").await?;

            let by_http = stack.anonymous("primary", Some(&name))?.token(&token);
            let refused = poll("HTTP refuses the token", Duration::from_secs(8), async || {
                let reply = by_http.execute(READ).await?;
                Ok(match reply.status {
                    401 => Attempt::Done(reply),
                    status => Attempt::Again(format!("HTTP {status}")),
                })
            });
            let refused = refused.await?;
            // A socket that the server has closed is an answer, too.
            let after = socket.execute("INSERT INTO t VALUES (2)").await;
            let after = after.unwrap_or_else(|error| format!("{error:#}"));
            let rows = full.execute("SELECT count(*) FROM t").await?;

            let known = [
                (
                    "1",
                    Verdict::AsDocumented,
                    "a WebSocket cannot write any more when its token has ended",
                ),
                (
                    "2",
                    Verdict::Weakness,
                    "a WebSocket goes on reading and writing after its token's end",
                ),
            ];
            Ok(judge(rows.scalar().unwrap_or("no count"), &known)
                .saw("INSERT by the socket before the token's end", before)
                .replied("SELECT by HTTP after it", &refused)
                .saw("INSERT by the socket after it", after)
                .replied("SELECT count(*)", &rows))
        }),
    },
];

/// A time that many seconds from now.
fn from_now(seconds: i64) -> i64 {
    Timestamp::now().as_second() + seconds
}

/// What the server makes of a token with these claims on a namespace that exists.
async fn ask(
    context: &ProbeContext<'_>,
    what: &str,
    claims: &Value,
    sql: &str,
) -> Result<(String, String)> {
    let stack = context.namespaced().await?;
    let name = context.namespace(&stack, "lifetime").await?;
    let reply = with_claims(&stack, &name, claims, sql).await?;
    Ok((outcome(&reply), format!("{what} -> {}", reply.describe())))
}

/// The observation for one token; `known` as in [`judge`].
async fn one(
    context: &ProbeContext<'_>,
    what: &str,
    claims: Value,
    sql: &str,
    known: &[(&str, Verdict, &str)],
) -> Result<Observation> {
    let (answer, line) = ask(context, what, &claims, sql).await?;
    Ok(judge(&answer, known).saw(sql, line))
}
