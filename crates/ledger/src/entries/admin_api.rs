//! The Admin API: who may use it, and what its answers mean.

pub(super) mod config;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};

use super::tokens::answers::judge;
use crate::{Area, Engines, Error, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_sqld_client::http::Answer;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::{Interface, StackPlan};

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "admin-api-open-without-key",
        claim: "The Admin API is closed until a key is set",
        source: "docs/ADMIN_API says nothing of a key",
        area: Area::Security,
        why: "Anyone who can reach the port can create, copy and delete databases",
        mitigation: "Set LIBSQL_ADMIN_AUTH_KEY, and publish the port on loopback only",
        how: "A primary with --admin-listen-addr and no key gets a create, a delete and /metrics",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let without_key = |plan: &mut StackPlan| {
                for service in &mut plan.services {
                    service.environment.remove("LIBSQL_ADMIN_AUTH_KEY");
                }
                Ok(())
            };
            let stack = context.primary(without_key).await?;
            let path = "/v1/namespaces/anyone/create";
            let create = ask(context, &stack, (Method::POST, path), None, Some("{}")).await?;
            let path = "/v1/namespaces/anyone";
            let delete = ask(context, &stack, (Method::DELETE, path), None, None).await?;
            let metrics = ask(context, &stack, (Method::GET, "/metrics"), None, None).await?;
            context.discard(&stack).await?;
            let answers = format!("{}, {}, {}", create.status, delete.status, metrics.status);
            let known = [
                (
                    "200, 200, 200",
                    Verdict::Weakness,
                    "without a key the Admin API is open: anybody makes and deletes namespaces",
                ),
                (
                    "401, 401, 401",
                    Verdict::AsDocumented,
                    "without a key the Admin API refuses everybody",
                ),
            ];
            Ok(judge(&answers, &known)
                .answered("create", &create)
                .answered("delete", &delete)
                .saw("GET /metrics", metrics.status.to_string()))
        }),
    },
    Probe {
        id: "admin-key-is-not-basic-auth",
        claim: "The Admin API's key is sent as HTTP Basic authentication (RFC 7617)",
        source: "flag help, \"Auth key for the admin API\"; the Compose demo article, \"raw key\"",
        area: Area::Operations,
        why: "`curl -u` and every HTTP library send base64 and are refused",
        mitigation: "Send `Authorization: basic KEY` with the key unencoded",
        how: "GET config with the raw key, with two base64 forms of it, and with Bearer",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            use base64::Engine as _;
            use base64::engine::general_purpose::STANDARD;

            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "rawkey").await?;
            let path = format!("/v1/namespaces/{name}/config");
            let key = key(&stack)?;
            let forms = [
                ("basic KEY", format!("basic {key}")),
                ("Basic base64(:KEY)", format!("Basic {}", STANDARD.encode(format!(":{key}")))),
                ("Basic base64(KEY)", format!("Basic {}", STANDARD.encode(&key))),
                ("Bearer KEY", format!("Bearer {key}")),
            ];
            let mut statuses = Vec::new();
            for (_, value) in &forms {
                let answer = ask(context, &stack, (Method::GET, &path), Some(value), None).await?;
                statuses.push(answer.status.to_string());
            }
            let known = [
                (
                    "200, 401, 401, 401",
                    Verdict::Differs,
                    "the Admin API takes the raw key after `basic`; base64 and Bearer get 401",
                ),
                (
                    "401, 200, 401, 401",
                    Verdict::AsDocumented,
                    "the Admin API takes HTTP Basic only",
                ),
                (
                    "200, 200, 401, 401",
                    Verdict::AsDocumented,
                    "the Admin API takes HTTP Basic, too",
                ),
            ];
            let observation = judge(&statuses.join(", "), &known);
            let seen = forms.iter().zip(&statuses);
            Ok(seen.fold(observation, |seen, ((what, _), status)| seen.saw(what, status)))
        }),
    },
    Probe {
        id: "admin-key-trailing-text-ignored",
        claim: "A key with text after it is refused",
        source: "assumption",
        area: Area::Security,
        why: "The key ends at its first space, so a key that contains spaces cannot be sent",
        mitigation: "Make a key of letters and digits, for example with `openssl rand -hex 32`",
        how: "GET config with the key followed by a word, and with the key shortened by one letter",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "trailing").await?;
            let path = format!("/v1/namespaces/{name}/config");
            let key = key(&stack)?;
            let longer = format!("basic {key} and more");
            let longer = ask(context, &stack, (Method::GET, &path), Some(&longer), None).await?;
            let shorter = format!("basic {}", &key[..key.len() - 1]);
            let shorter = ask(context, &stack, (Method::GET, &path), Some(&shorter), None).await?;
            let known = [
                (
                    "200 and 401",
                    Verdict::Undocumented,
                    "what follows a space after the key is ignored",
                ),
                (
                    "401 and 401",
                    Verdict::AsDocumented,
                    "a key with text after it is refused with 401",
                ),
                ("200 and 200", Verdict::Weakness, "a key that lacks its last letter is accepted"),
            ];
            Ok(judge(&format!("{} and {}", longer.status, shorter.status), &known)
                .answered("GET config with `basic KEY and more`", &longer)
                .answered("GET config with the key cut by a letter", &shorter))
        }),
    },
    Probe {
        id: "admin-metrics-need-the-key",
        claim: "A monitoring system may read /metrics without the key",
        source: "assumption",
        area: Area::Operations,
        why: "Prometheus needs the same key that can delete databases",
        mitigation: "Give the scraper `authorization: {type: basic, credentials: KEY}`, or let a \
                     proxy on the same host add the header",
        how: "GET /metrics of a server that has a key, without it and with it",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let without = ask(context, &stack, (Method::GET, "/metrics"), None, None).await?;
            let value = format!("basic {}", key(&stack)?);
            let with = ask(context, &stack, (Method::GET, "/metrics"), Some(&value), None).await?;
            let known = [
                ("401 and 200", Verdict::Undocumented, "/metrics needs the key of the Admin API"),
                ("200 and 200", Verdict::AsDocumented, "/metrics is open to all"),
            ];
            Ok(judge(&format!("{} and {}", without.status, with.status), &known)
                .answered("GET /metrics", &without)
                .saw("GET /metrics with the key", with.status.to_string()))
        }),
    },
    Probe {
        id: "admin-api-takes-no-client-token",
        claim: "The Admin API has its own authentication, apart from clients' tokens",
        source: "the Compose demo article, \"uses a separate auth scheme from this JWT\"",
        area: Area::Security,
        why: "A token for all databases must not be able to delete them",
        mitigation: "Nothing to do",
        how: "GET config with a client's token for everything",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "notokens").await?;
            let path = format!("/v1/namespaces/{name}/config");
            let token: SecretString = stack.full_token()?;
            let value = format!("Bearer {}", token.expose_secret());
            let answer = ask(context, &stack, (Method::GET, &path), Some(&value), None).await?;
            let known = [
                (
                    "401",
                    Verdict::AsDocumented,
                    "a client's token is refused by the Admin API with 401",
                ),
                ("200", Verdict::Weakness, "a client's token opens the Admin API"),
            ];
            Ok(judge(&answer.status.to_string(), &known)
                .answered("GET config with a token", &answer))
        }),
    },
    Probe {
        id: "admin-key-without-admin-address",
        claim: "A server without an Admin API ignores LIBSQL_ADMIN_AUTH_KEY",
        source: "assumption",
        area: Area::Operations,
        why: "If primary and replica share one environment file, the replica does not start",
        mitigation: "Give the variable to the primary only",
        how: "The server is started with the variable and without --admin-listen-addr",
        engines: Engines::NativeOnly("it looks at the exit code of the server binary itself"),
        check: &Probe::check(async |context| {
            let folder = context.scratch()?;
            let arguments =
                ["--no-welcome", "--http-listen-addr", "127.0.0.1:0", "--db-path", "data"];
            let key = [("LIBSQL_ADMIN_AUTH_KEY", "local")];
            let ended = context.run_binary(folder.path(), &arguments, &key).await?;
            let named = ended.text.to_lowercase().contains("admin");
            Ok(match ended.code {
                Some(2) if named => Observation::new(
                    Verdict::Undocumented,
                    "a server with LIBSQL_ADMIN_AUTH_KEY and no admin address exits with 2",
                ),
                None => Observation::new(
                    Verdict::AsDocumented,
                    "a server with LIBSQL_ADMIN_AUTH_KEY and no admin address runs",
                ),
                Some(code) => {
                    Observation::new(Verdict::Differs, format!("the server exits with {code}"))
                }
            }
            .saw("sqld with LIBSQL_ADMIN_AUTH_KEY alone", ended.text))
        }),
    },
    Probe {
        id: "admin-unknown-route-200",
        claim: "An unknown route of the Admin API is answered 404",
        source: "assumption",
        area: Area::Operations,
        why: "A script with a typo in the path takes the answer for success",
        mitigation: "Check the result afterwards with GET config of the namespace",
        how: "GET, POST and DELETE of routes that do not exist, with the key",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let value = format!("basic {}", key(&stack)?);
            let mut observation = None;
            for (method, path) in [
                (Method::GET, "/v1/nothing"),
                (Method::POST, "/v1/namespace/x/create"),
                (Method::DELETE, "/v1/namespaces/x/data"),
            ] {
                let request = (method.clone(), path);
                let answer = ask(context, &stack, request, Some(&value), Some("{}")).await?;
                let known = [
                    (
                        "200 empty",
                        Verdict::Weakness,
                        "an unknown route of the Admin API is answered 200 with an empty body",
                    ),
                    ("404 empty", Verdict::AsDocumented, "an unknown route is answered 404"),
                    ("404 with a body", Verdict::AsDocumented, "an unknown route is answered 404"),
                ];
                let mut seen: Observation = judge(&brief(&answer), &known);
                if let Some(before) = observation.take() {
                    let Observation { verdict, finding, evidence } = before;
                    seen.evidence.splice(0..0, evidence);
                    if finding != seen.finding {
                        seen.finding = format!("{finding}; {}", seen.finding);
                        seen.verdict = seen.verdict.min(verdict);
                    }
                }
                observation = Some(seen.answered(format!("{method} {path}"), &answer));
            }
            Ok(observation.ok_or_else(|| Error::experiment("nothing was asked"))?)
        }),
    },
    Probe {
        id: "admin-no-list-of-namespaces",
        claim: "The Admin API lists the namespaces",
        source: "assumption; tursodatabase/libsql#1313",
        area: Area::Operations,
        why: "A backup script cannot ask which databases exist",
        mitigation: "Keep a list of your own, or list the folder `dbs` in the data path",
        how: "GET /v1/namespaces while a namespace exists",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let name = context.namespace(&stack, "listed").await?;
            let value = format!("basic {}", key(&stack)?);
            let request = (Method::GET, "/v1/namespaces");
            let answer = ask(context, &stack, request, Some(&value), None).await?;
            let listed = answer.body.contains(name.as_str());
            let known = [
                (
                    "200 empty",
                    Verdict::Undocumented,
                    "there is no list of namespaces: 200, and nothing",
                ),
                ("404 empty", Verdict::Undocumented, "there is no list of namespaces: 404"),
                ("a list", Verdict::AsDocumented, "the Admin API lists the namespaces"),
            ];
            let seen = if listed { "a list".to_owned() } else { brief(&answer) };
            Ok(judge(&seen, &known).answered("GET /v1/namespaces", &answer))
        }),
    },
    Probe {
        id: "admin-wrong-method-405",
        claim: "A wrong method on a route that exists is answered 405",
        source: "RFC 9110, 15.5.6",
        area: Area::Operations,
        why: "At least this mistake is reported to the script",
        mitigation: "Nothing to do",
        how: "GET of /v1/namespaces/NS/create with the key",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let value = format!("basic {}", key(&stack)?);
            let request = (Method::GET, "/v1/namespaces/method/create");
            let answer = ask(context, &stack, request, Some(&value), None).await?;
            let known = [
                ("405", Verdict::AsDocumented, "a wrong method is answered 405"),
                ("200", Verdict::Differs, "a wrong method is answered 200"),
                ("404", Verdict::Differs, "a wrong method is answered 404"),
            ];
            Ok(judge(&answer.status.to_string(), &known).answered("GET .../create", &answer))
        }),
    },
    Probe {
        id: "create-namespace-on-client-port",
        claim: "`curl -X POST http://HOST:8080/v1/namespaces/NS/create` creates a namespace",
        source: "docs/USER_GUIDE, Creating a namespace; tursodatabase/libsql#1622",
        area: Area::Lifecycle,
        why: "The guide's command cannot work",
        mitigation: "Send it to the port of --admin-listen-addr",
        how: "Sends the guide's request, with a JSON body and a token for everything, to the \
              client port",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let (host, new) =
                (context.namespace(&stack, "clientport").await?, context.name("byclient")?);
            let address = stack.address("primary", Interface::Http)?;
            let base = format!("http://{address}");
            let token = stack.full_token()?;
            let request = context
                .http()
                .post(format!("{base}/v1/namespaces/{new}/create"))
                .header(reqwest::header::HOST, format!("{host}.localhost:{}", address.port()))
                .header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()))
                .header(CONTENT_TYPE, "application/json")
                .body("{}");
            let answer = Answer::to(request, &base).await?;
            let made = stack.admin()?.exists(&new).await?;
            let made = if made { "made" } else { "not made" };
            let known = [
                ("404, not made", Verdict::Differs, "the client port answers 404 to a create"),
                (
                    "200, not made",
                    Verdict::Differs,
                    "the client port answers 200 and makes nothing",
                ),
                ("200, made", Verdict::AsDocumented, "the client port makes namespaces"),
            ];
            Ok(judge(&format!("{}, {made}", answer.status), &known)
                .answered("the guide's create", &answer)
                .saw("the namespace afterwards", made))
        }),
    },
    Probe {
        id: "create-namespace-needs-json-body",
        claim: "A POST without a body creates a namespace",
        source: "docs/USER_GUIDE, Creating a namespace; tursodatabase/libsql#1622",
        area: Area::Lifecycle,
        why: "The documented command is refused even on the right port",
        mitigation: "Send `-H 'Content-Type: application/json' -d '{}'`",
        how: "A create without a body, with the content type alone, and with {}",
        engines: Engines::Both,
        check: &Probe::check(async |context| {
            let stack = context.namespaced().await?;
            let path = format!("/v1/namespaces/{}/create", context.name("body")?);
            let value = format!("basic {}", key(&stack)?);
            let post =
                async |body| ask(context, &stack, (Method::POST, &path), Some(&value), body).await;
            let (none, empty, object) =
                (post(None).await?, post(Some("")).await?, post(Some("{}")).await?);
            let answers = format!("{}, {}, {}", none.status, empty.status, object.status);
            let known = [
                (
                    "415, 400, 200",
                    Verdict::Differs,
                    "a create needs a JSON body: 415 without its content type, 400 when it is \
                     empty",
                ),
                ("200, 400, 400", Verdict::AsDocumented, "a create needs no body"),
            ];
            Ok(judge(&answers, &known)
                .answered("create without a body", &none)
                .answered("create with the content type alone", &empty)
                .answered("create with {}", &object))
        }),
    },
];

/// A request to the primary's Admin API with these headers; `body` is JSON text.
async fn ask(
    context: &ProbeContext<'_>,
    stack: &EphemeralStack,
    (method, path): (Method, &str),
    authorization: Option<&str>,
    body: Option<&str>,
) -> Result<Answer> {
    let base = format!("http://{}", stack.address("primary", Interface::Admin)?);
    let mut request = context.http().request(method, format!("{base}{path}"));
    if let Some(value) = authorization {
        request = request.header(AUTHORIZATION, value);
    }
    if let Some(body) = body {
        request = request.header(CONTENT_TYPE, "application/json").body(body.to_owned());
    }
    Ok(Answer::to(request, &base).await?)
}

fn key(stack: &EphemeralStack) -> Result<String, Error> {
    let key = stack.plan.admin_key().map(str::to_owned);
    key.ok_or_else(|| Error::experiment("the stack has no key for the Admin API"))
}

/// An answer in two words: the status, and whether anything was said.
fn brief(answer: &Answer) -> String {
    let body = if answer.body.is_empty() { "empty" } else { "with a body" };
    format!("{} {body}", answer.status)
}
