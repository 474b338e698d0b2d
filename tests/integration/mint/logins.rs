//! Which logins give a token, and for what.

use std::net::SocketAddr;

use demo_sqld::keys::KeySet;
use demo_sqld::token;
use demo_sqld_client::hrana::Hrana;
use demo_sqld_client::http::loopback_client;
use jiff::Timestamp;
use serde_json::{Value, json};

use demo_test_support::Project;
use demo_test_support::issuer::{Issuer, Mint, SECRET, Yaml, block_on};

/// What a token says, once the key of the project has verified it.
fn claims(project: &Project, token: &str) -> Value {
    let keys = KeySet::parse(&project.read(".local/jwt/jwt.pub"), "jwt.pub").unwrap();
    let inspection = token::inspect(token, &keys, Timestamp::now()).unwrap();
    assert!(inspection.accepted, "{inspection:?}");
    serde_json::to_value(inspection.claims).unwrap()
}

#[test]
fn every_source_gives_a_token_for_the_own_namespace_alone() {
    let project = Project::up(&["namespaced"]);
    for (algorithm, source) in [
        ("ES256", Issuer::by_jwks as fn(&Issuer) -> String),
        ("RS256", Issuer::by_jwks),
        ("EdDSA", Issuer::by_jwks),
        ("ES256", Issuer::by_user_endpoint),
        ("HS256", |_| format!("secret: {SECRET}")),
    ] {
        let issuer = Issuer::start(&project, algorithm);
        let mut mint = Mint::start(&project, &issuer, &Yaml::with(source(&issuer)));
        let (id, login, given) = block_on(async {
            let (id, login) = issuer.sign_up("alice").await;
            let (status, body) = mint.token(&login).await;
            assert_eq!(status, 200, "{algorithm}: {body}");
            let (_, again) = mint.token(&login).await;
            assert_ne!(body["dbToken"], again["dbToken"], "always a new one");
            (id, login, body)
        });
        let own = format!("db-{id}");
        assert_eq!(given["namespace"], own.as_str());
        assert_eq!(given["dbUrl"], format!("http://{own}.localhost:{}", project.ports()[0]));
        let db_token = given["dbToken"].as_str().unwrap();
        let claims = claims(&project, db_token);
        assert_eq!(claims["p"], json!({"rw": {"ns": [own]}}));
        assert_eq!((&claims["sub"], &claims["iss"]), (&json!(id), &json!("demo-mint")));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
        assert_eq!(claims["jti"].as_str().unwrap().len(), 32);
        assert!(claims.get("aud").is_none(), "the server refuses it");
        let end: Timestamp = given["expiresAt"].as_str().unwrap().parse().unwrap();
        assert_eq!(end.as_second(), claims["exp"].as_i64().unwrap());

        block_on(async {
            let address = SocketAddr::from(([127, 0, 0, 1], project.ports()[0]));
            let server = Hrana::new(loopback_client().unwrap(), address).token(&db_token.into());
            let own = server.clone().selecting(&own.parse().unwrap());
            assert!(own.execute("CREATE TABLE t (x)").await.unwrap().succeeded());
            let other = server.execute("SELECT 1").await.unwrap();
            assert!(!other.succeeded(), "{other:?}");
        });
        mint.never_says(&[login, db_token.to_owned(), SECRET.to_owned(), "anon-key".to_owned()]);
    }
}

#[test]
fn bad_logins_get_401_and_no_token() {
    let project = Project::up(&["namespaced"]);
    for (algorithm, source) in [
        ("ES256", Issuer::by_jwks as fn(&Issuer) -> String),
        ("RS256", Issuer::by_jwks),
        ("EdDSA", Issuer::by_jwks),
        ("ES256", Issuer::by_user_endpoint),
        ("HS256", |_| format!("secret: {SECRET}")),
    ] {
        let issuer = Issuer::start(&project, algorithm);
        let source = source(&issuer);
        let by_keys = source.starts_with("jwks");
        let mut mint = Mint::start(&project, &issuer, &Yaml::with(source));
        let bad = issuer.bad_logins();
        assert!(bad.len() > 20);
        let mut refused = 0;
        block_on(async {
            for (name, login) in &bad {
                // With one shared secret a `kid` says nothing: this one is good.
                if name == "unknown-kid" && algorithm == "HS256" {
                    continue;
                }
                let (status, body) = mint.token(login).await;
                assert_eq!(status, 401, "{algorithm}: {name}: {body}");
                refused += 1;
                let code = match name.as_str() {
                    "expired" => "expired",
                    "not-yet" => "not-yet-valid",
                    "wrong-issuer" => "wrong-issuer",
                    "wrong-audience" => "wrong-audience",
                    "wrong-role" => "wrong-role",
                    "hostile-subject" if by_keys => "unusable-subject",
                    // Below the 64 KiB of a head, beyond which the listener answers by itself.
                    "oversized" => "oversized-login",
                    "garbage" => "malformed-login",
                    // The stranger's key is for ES256.
                    "forged" if by_keys && algorithm == "ES256" => "bad-signature",
                    "unknown-kid" if by_keys => "unknown-key",
                    "alg-none" | "hs256-public-key" if by_keys => "wrong-algorithm",
                    _ => continue,
                };
                assert_eq!(body["code"], code, "{algorithm}: {name}");
            }
            assert_eq!(mint.metric("demo_mint_namespaces_created_total").await, Some(0));
            assert_eq!(
                mint.metric("demo_mint_outcomes_total{code=\"minted\"}").await.unwrap_or(0),
                0
            );
        });
        assert!(refused > 20);
        let tokens: Vec<String> = bad.into_iter().map(|(_, login)| login).collect();
        mint.never_says(&tokens);
    }
}

#[test]
fn claims_of_the_server_change_what_the_token_allows() {
    let project = Project::up(&["namespaced"]);
    let issuer = Issuer::start(&project, "ES256");
    let mut yaml = Yaml::with(issuer.by_jwks());
    yaml.token = "claims: {readOnlyWhen: [{claim: app_metadata.provider, equals: email}], \
                  readNamespaces: app_metadata.providers}\n  namespace: 'user-{subHash}'\n  \
                  lifetime: 15m";
    let mint = Mint::start(&project, &issuer, &yaml);
    let given = block_on(async {
        let (_, login) = issuer.sign_up("alice").await;
        mint.token(&login).await
    });
    assert_eq!(given.0, 200, "{given:?}");
    let claims = claims(&project, given.1["dbToken"].as_str().unwrap());
    assert_eq!(claims["p"], json!({"ro": {"ns": [given.1["namespace"], "email"]}}));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
}

#[test]
fn the_user_endpoint_is_asked_once_for_many_requests() {
    let project = Project::up(&["namespaced"]);
    let mut issuer = Issuer::start(&project, "ES256");
    let mint = Mint::start(&project, &issuer, &Yaml::with(issuer.by_user_endpoint()));
    let (_, login) = block_on(issuer.sign_up("alice"));
    assert_eq!(block_on(mint.token(&login)).0, 200);
    issuer.kill();
    // Within 30 s its word still counts; for somebody else it would be needed.
    assert_eq!(
        block_on(async { demo_test_support::issuer::answer(fresh(&mint, &login)).await.0 }),
        200
    );
    let stranger = issuer.logins(1).remove(0);
    let (status, body) =
        block_on(async { demo_test_support::issuer::answer(fresh(&mint, &stranger)).await });
    assert_eq!((status, &body["code"]), (503, &json!("issuer-away")));
    issuer.start_again();
    // It has forgotten everybody: this login is signed well, and of no session.
    let (status, body) =
        block_on(async { demo_test_support::issuer::answer(fresh(&mint, &stranger)).await });
    assert_eq!((status, &body["code"]), (401, &json!("login-refused")));
}

fn fresh(mint: &Mint, login: &str) -> reqwest::RequestBuilder {
    demo_test_support::issuer::client().post(format!("{}/token", mint.url)).bearer_auth(login)
}
