//! HTTP: methods, bodies, limits, origins.

use reqwest::{Method, Response};
use serde_json::json;

use demo_test_support::Project;
use demo_test_support::issuer::{Issuer, Mint, Yaml, answer, block_on};

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn what_is_no_request_for_a_token_is_said_so() {
    let project = Project::new();
    project.demo(["setup"]).success();
    let issuer = Issuer::later(&project, "ES256");
    let mint = Mint::start(&project, &issuer, &Yaml::with(issuer.by_jwks()));
    block_on(async {
        let url = |path: &str| format!("{}{path}", mint.url);
        for (method, path, status, code) in [
            (Method::GET, "/", 404, "not-found"),
            (Method::POST, "/tokens", 404, "not-found"),
            (Method::GET, "/token", 405, "method-not-allowed"),
            (Method::OPTIONS, "/token", 405, "method-not-allowed"),
            (Method::POST, "/token", 401, "no-login"),
        ] {
            let (seen, body) = answer(mint.http.request(method.clone(), url(path))).await;
            assert_eq!((seen, &body["code"]), (status, &json!(code)), "{method} {path}");
        }
        let twice = mint.ask("a.b.c").header("authorization", "Bearer d.e.f");
        assert_eq!(answer(twice).await.1["code"], "no-login");
        let basic = mint.http.post(url("/token")).basic_auth("a", Some("b"));
        assert_eq!(answer(basic).await.1["code"], "no-login");
        let large = mint.ask("a.b.c").body(vec![b'x'; 20_000]);
        assert_eq!(answer(large).await.0, 413);
        // They are on the admin listener.
        for path in ["/healthz", "/metrics"] {
            assert_eq!(answer(mint.http.get(url(path))).await.0, 404);
        }
    });
}

#[test]
fn too_many_requests_are_turned_away_for_a_while() {
    let project = Project::up(&["namespaced"]);
    let issuer = Issuer::start(&project, "ES256");
    let mut yaml = Yaml::with(issuer.by_jwks());
    yaml.top = "limits: {perUserPerMinute: 2, perAddressPerMinute: 7}";
    let mint = Mint::start(&project, &issuer, &yaml);
    let [alice, bob] = issuer.logins(2).try_into().unwrap();
    block_on(async {
        for (login, status) in [
            (&alice, 200),
            (&alice, 200),
            (&alice, 429),
            (&bob, 200),
            (&bob, 200),
            (&"garbage".to_owned(), 401),
            (&"garbage".to_owned(), 401),
            // Now it is the address.
            (&"garbage".to_owned(), 429),
        ] {
            let response = mint.ask(login).send().await.unwrap();
            assert_eq!(response.status(), status);
            let wait: u64 = header(&response, "retry-after").parse().unwrap_or_default();
            assert_eq!((1..=60).contains(&wait), status == 429, "{wait}");
        }
    });
}

#[test]
fn pages_of_the_configured_origins_may_ask_and_no_others() {
    let project = Project::new();
    project.demo(["setup"]).success();
    let issuer = Issuer::later(&project, "ES256");
    let mut yaml = Yaml::with(issuer.by_jwks());
    yaml.top = "origins: ['http://127.0.0.1:18093']";
    let mint = Mint::start(&project, &issuer, &yaml);
    block_on(async {
        for (origin, allowed) in [
            ("http://127.0.0.1:18093", "http://127.0.0.1:18093"),
            ("http://127.0.0.1:18094", ""),
            ("https://evil.example", ""),
            ("null", ""),
        ] {
            let preflight = mint
                .http
                .request(Method::OPTIONS, format!("{}/token", mint.url))
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization");
            let response = preflight.send().await.unwrap();
            assert_eq!(header(&response, "access-control-allow-origin"), allowed);
            if !allowed.is_empty() {
                assert_eq!(header(&response, "access-control-allow-methods"), "POST");
                let headers = header(&response, "access-control-allow-headers");
                assert!(headers.contains("authorization"), "{headers}");
            }
            // A page must be able to read why it was refused.
            let response = mint.ask("garbage").header("origin", origin).send().await.unwrap();
            assert_eq!(response.status(), 401);
            assert_eq!(header(&response, "access-control-allow-origin"), allowed);
        }
    });
}
