//! Access by other means than a token: `--http-auth`, key files, browsers.

pub(super) mod key_files;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use serde_json::json;

use super::tokens::answers::judge;
use crate::{Area, Engines, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld_client::http::Answer;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;
use demo_stack::plan::blueprint::Variants;

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "http-auth-ignores-the-scheme",
        claim: "With --http-auth a client authenticates by HTTP Basic",
        source: "docs/DOCKER, SQLD_HTTP_AUTH",
        area: Area::Security,
        why: "A proxy that filters `Basic` lets the same password through under another scheme",
        mitigation: "Use --auth-jwt-key-file instead",
        how: "The right base64 under Basic and under Bearer, a wrong one under Basic",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let password = password();
            let stack = with_http_auth(context, &format!("basic:{password}"), false).await?;
            let (basic, bearer) = (format!("Basic {password}"), format!("Bearer {password}"));
            let headers = [Some(basic.as_str()), Some(&bearer), Some("Basic d3Jvbmc="), None];
            let seen = statuses(context, &stack, &headers).await?;
            context.discard(&stack).await?;
            let known = [
                (
                    "200, 200, 401, 401",
                    Verdict::Differs,
                    "with --http-auth the scheme does not matter: the base64 counts under \
                     `Bearer`, too",
                ),
                (
                    "200, 401, 401, 401",
                    Verdict::AsDocumented,
                    "with --http-auth only `Basic` counts",
                ),
            ];
            Ok(judge(&seen, &known).saw("Basic RIGHT, Bearer RIGHT, Basic WRONG, nothing", seen))
        }),
    },
    Probe {
        id: "http-auth-finds-the-key-anywhere",
        claim: "With --http-auth the credentials must be exactly the configured ones",
        source: "docs/DOCKER, SQLD_HTTP_AUTH",
        area: Area::Security,
        why: "One long guess contains many short passwords, so one request tries many of them",
        mitigation: "Use --auth-jwt-key-file instead, or at least a long random password",
        how: "The right base64 with letters before and after it",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let password = password();
            let stack = with_http_auth(context, &format!("basic:{password}"), false).await?;
            let around = format!("Basic xx{password}yy");
            let part = format!("Basic {}", &password[..password.len() - 4]);
            let seen = statuses(context, &stack, &[Some(&around), Some(&part)]).await?;
            context.discard(&stack).await?;
            let known = [
                (
                    "200, 401",
                    Verdict::Weakness,
                    "with --http-auth the right credentials count anywhere inside a longer text",
                ),
                (
                    "401, 401",
                    Verdict::AsDocumented,
                    "with --http-auth the credentials must be exact",
                ),
                (
                    "200, 200",
                    Verdict::Weakness,
                    "with --http-auth a part of the credentials is enough",
                ),
            ];
            Ok(judge(&seen, &known).saw("Basic xxRIGHTyy, Basic RIGH", seen))
        }),
    },
    Probe {
        id: "http-auth-beats-the-jwt-key",
        claim: "With --http-auth and a JWT key a client may use either",
        source: "assumption",
        area: Area::Security,
        why: "With a forgotten SQLD_HTTP_AUTH every token is refused and one password opens \
              everything",
        mitigation: "Remove SQLD_HTTP_AUTH when moving to tokens",
        how: "A server with both gets a valid token, then the password",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let password = password();
            let stack = with_http_auth(context, &format!("basic:{password}"), true).await?;
            let token = stack.full_token()?;
            let (bearer, basic) =
                (format!("Bearer {}", token.expose_secret()), format!("Basic {password}"));
            let seen = statuses(context, &stack, &[Some(&bearer), Some(&basic), None]).await?;
            context.discard(&stack).await?;
            let known = [
                (
                    "401, 200, 401",
                    Verdict::Undocumented,
                    "with --http-auth beside a JWT key only the password counts: tokens get 401",
                ),
                (
                    "200, 401, 401",
                    Verdict::Undocumented,
                    "with a JWT key --http-auth does not count",
                ),
                ("200, 200, 401", Verdict::AsDocumented, "a token and the password both count"),
            ];
            Ok(judge(&seen, &known).saw("a valid token, the password, nothing", seen))
        }),
    },
    Probe {
        id: "http-auth-empty-opens-the-server",
        claim: "--http-auth `basic:` with nothing after it lets nobody in",
        source: "assumption",
        area: Area::Security,
        why: "`basic:$SECRET` with an unset variable opens the server to any word",
        mitigation: "Let the shell fail for unset variables (`${SECRET:?}`); use a JWT key",
        how: "A server with `basic:` gets a request without credentials and one with nonsense",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = with_http_auth(context, "basic:", false).await?;
            let seen = statuses(context, &stack, &[None, Some("Basic nonsense")]).await?;
            context.discard(&stack).await?;
            let known = [
                (
                    "401, 200",
                    Verdict::Weakness,
                    "`--http-auth basic:` lets everybody in who sends any credentials",
                ),
                ("200, 200", Verdict::Weakness, "`--http-auth basic:` lets everybody in"),
                ("401, 401", Verdict::AsDocumented, "`--http-auth basic:` lets nobody in"),
            ];
            Ok(judge(&seen, &known).saw("nothing, Basic nonsense", seen))
        }),
    },
    Probe {
        id: "http-auth-always-is-a-password",
        claim: "--http-auth always lets everybody in",
        source: "older documents of sqld",
        area: Area::Security,
        why: "The value from older guides has become a password that everybody knows",
        mitigation: "Leave the flag out for an open server",
        how: "A server with `always` gets no credentials, nonsense, and `always` as credentials",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = with_http_auth(context, "always", false).await?;
            let headers = [None, Some("Basic nonsense"), Some("Basic always")];
            let seen = statuses(context, &stack, &headers).await?;
            context.discard(&stack).await?;
            let known = [
                (
                    "401, 401, 200",
                    Verdict::Differs,
                    "`--http-auth always` makes `always` the password",
                ),
                ("200, 200, 200", Verdict::AsDocumented, "`--http-auth always` lets everybody in"),
            ];
            Ok(judge(&seen, &known).saw("nothing, Basic nonsense, Basic always", seen))
        }),
    },
    Probe {
        id: "cors-open-to-every-origin",
        claim: "A page of another site cannot call the server from a browser",
        source: "assumption",
        area: Area::Security,
        why: "If the server has no key, any web page can read and write a developer's database",
        mitigation: "Always set a key, on localhost too; let a proxy set the CORS headers",
        how: "The preflight request of a browser from a foreign origin",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            const ALLOWED: [&str; 3] = [
                "access-control-allow-origin",
                "access-control-allow-methods",
                "access-control-allow-headers",
            ];
            let stack = context.plain().await?;
            let url = format!("http://{}/v2/pipeline", stack.address("primary", Interface::Http)?);
            let request = context
                .http()
                .request(Method::OPTIONS, &url)
                .header("origin", "https://elsewhere.invalid")
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization, content-type");
            let response = request.send().await?;
            let value = |name: &str| {
                response
                    .headers()
                    .get(name)
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or("absent")
            };
            let seen = ALLOWED.map(value).join(", ");
            let known = [
                (
                    "*, *, *",
                    Verdict::Weakness,
                    "every origin may send every request from a browser",
                ),
                (
                    "absent, absent, absent",
                    Verdict::AsDocumented,
                    "no other origin may use the server from a browser",
                ),
            ];
            Ok(judge(&seen, &known).saw(format!("OPTIONS: {}", ALLOWED.join(", ")), seen))
        }),
    },
];

/// The credentials that the probes configure.
fn password() -> String {
    STANDARD.encode("user:correct horse")
}

/// One database with this `--http-auth`, and with a JWT key if the probe is about both.
async fn with_http_auth(
    context: &ProbeContext<'_>,
    parameter: &str,
    jwt_key: bool,
) -> Result<std::rc::Rc<EphemeralStack>> {
    context
        .own(Variants::DEFAULT, |plan, _| {
            plan.services.retain(|service| service.name == "primary");
            for service in &mut plan.services {
                service.environment.insert("SQLD_HTTP_AUTH".to_owned(), parameter.to_owned());
                if !jwt_key {
                    service.environment.remove("SQLD_AUTH_JWT_KEY_FILE");
                }
            }
            Ok(())
        })
        .await
}

/// The statuses of a SELECT with each of these `Authorization` headers.
async fn statuses(
    context: &ProbeContext<'_>,
    stack: &EphemeralStack,
    headers: &[Option<&str>],
) -> Result<String> {
    let base = format!("http://{}", stack.address("primary", Interface::Http)?);
    let select = json!({ "requests": [{ "type": "execute", "stmt": { "sql": "SELECT 1" } }] });
    let mut statuses = Vec::new();
    for header in headers {
        let mut request = context.http().post(format!("{base}/v2/pipeline")).json(&select);
        if let Some(value) = header {
            request = request.header(AUTHORIZATION, *value);
        }
        statuses.push(Answer::to(request, &base).await?.status.to_string());
    }
    Ok(statuses.join(", "))
}
