//! Ten thousand logins.

use std::collections::HashSet;

use demo_sqld::keys::PublicKey;
use futures::StreamExt;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};

use demo_test_support::Project;
use demo_test_support::issuer::{Issuer, Mint, Yaml, block_on};

const LOGINS: usize = 10_000;
/// A namespace each; 10,000 of them would measure the server, not the mint.
const USERS: usize = 50;

#[test]
fn ten_thousand_logins_get_ten_thousand_tokens() {
    let project = Project::up(&["namespaced"]);
    let issuer = Issuer::start(&project, "ES256");
    let mint = Mint::start(&project, &issuer, &Yaml::with(issuer.by_jwks()));
    let logins = logins(&project, &issuer);
    let public = PublicKey::from_pem(&project.read(".local/jwt/jwt.pub"), "jwt.pub").unwrap();
    let key = DecodingKey::from_ed_der(public.as_bytes());
    let validation = Validation::new(Algorithm::EdDSA);

    let mut tokens = HashSet::new();
    let mut ids = HashSet::new();
    block_on(async {
        let asked = futures::stream::iter(&logins)
            .map(async |(user, login)| (*user, mint.token(login).await))
            .buffer_unordered(16);
        let mut asked = std::pin::pin!(asked);
        while let Some((user, (status, body))) = asked.next().await {
            assert_eq!(status, 200, "{body}");
            let token = body["dbToken"].as_str().unwrap().to_owned();
            let read = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
            assert_eq!(read.header.kid, Some(public.thumbprint()));
            assert_eq!(read.claims["p"], json!({"rw": {"ns": [format!("db-user-{user}")]}}));
            assert!(ids.insert(read.claims["jti"].as_str().unwrap().to_owned()));
            assert!(tokens.insert(token));
        }
        let minted = mint.metric("demo_mint_outcomes_total{code=\"minted\"}").await;
        assert_eq!(minted, Some(LOGINS as u64));
        let created = mint.metric("demo_mint_namespaces_created_total").await;
        assert_eq!(created, Some(USERS as u64));
    });
    assert_eq!(tokens.len(), LOGINS);
}

/// All different, by the issuer's own key.
fn logins(project: &Project, issuer: &Issuer) -> Vec<(usize, String)> {
    // `kid` and the other claims as the issuer writes them.
    let sample = issuer.logins(1).remove(0);
    let kid = jsonwebtoken::decode_header(&sample).unwrap().kid;
    let header = Header { kid, ..Header::new(Algorithm::ES256) };
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(&sample).unwrap();
    let key = EncodingKey::from_ec_pem(project.read("issuer-ES256.pem").as_bytes()).unwrap();
    let login = |number: usize| {
        let user = number % USERS;
        let mut claims = claims.clone();
        claims["sub"] = json!(format!("user-{user}"));
        claims["session_id"] = json!(number);
        (user, jsonwebtoken::encode(&header, &claims, &key).unwrap())
    };
    (0..LOGINS).map(login).collect()
}
