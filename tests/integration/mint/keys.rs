//! What the issuer publishes where its keys should be: good keys are never lost
//! to it, and `mint check` tells it.

use demo_sqld::keys::SigningKey;
use serde_json::json;

use super::jwks_server::{JwksServer, header, jwk, jwks, signed};
use demo_test_support::issuer::{Mint, block_on};
use demo_test_support::{Project, until};

/// Documents in which there is no key to use, with a word of what is told.
fn useless(key: &SigningKey) -> Vec<(u16, String, &'static str)> {
    let good = jwks(key);
    let changed = |name: &str, value: serde_json::Value| {
        let mut key = jwk(key);
        key[name] = value;
        json!({ "keys": [key] }).to_string()
    };
    let weak = "A".repeat(43);
    vec![
        (200, r#"{"keys":[]}"#.to_owned(), "none of its 0 keys"),
        (200, String::new(), "not a JWKS document"),
        (200, "<!doctype html><title>down</title>".to_owned(), "not a JWKS document"),
        (200, "{}".to_owned(), "no list `keys`"),
        (200, r#"{"keys":{}}"#.to_owned(), "no list `keys`"),
        (200, r#"{"keys":null}"#.to_owned(), "no list `keys`"),
        (200, good[..good.len() - 9].to_owned(), "not a JWKS document"),
        (200, format!(r#"{{"keys":[],{}"#, &good[1..]), "twice"),
        (200, format!("\u{feff}{good}"), "not a JWKS document"),
        (200, changed("kty", json!("oct")), "none of its 1 keys"),
        (200, changed("crv", json!("Ed448")), "none of its 1 keys"),
        (200, changed("use", json!("enc")), "none of its 1 keys"),
        (200, changed("x", json!(weak)), "none of its 1 keys"),
        (200, changed("x", json!("AAAA")), "none of its 1 keys"),
        (200, changed("x", json!(7)), "none of its 1 keys"),
        (404, good.clone(), "answers 404"),
        (302, good.clone(), "answers 302"),
        (200, format!("{}{good}", " ".repeat(65 * 1024)), "too long"),
    ]
}

#[test]
fn l2_an_answer_without_a_usable_key_never_replaces_good_keys() {
    let project = Project::up(&["namespaced"]);
    let issuer = JwksServer::start();
    let (old, new) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    issuer.set(200, jwks(&old));
    project.write("mint.yaml", issuer.yaml(&project, ""));
    let mut mint = Mint::start_again(&project);
    let login = |key| signed(key, &header(key), &format!("{}}}", issuer.claims("alice")));
    // Each is a text of its own, so that no verdict is remembered.
    let fresh = |key, number: usize| {
        signed(key, &header(key), &format!("{},\"n\":{number}}}", issuer.claims("alice")))
    };
    let shows = |mint: &Mint, name: &str| block_on(mint.metric(&format!("demo_mint_{name} ")));
    mint.until(&login(&old), 200);
    assert_eq!(
        (shows(&mint, "issuer_keys"), shows(&mint, "issuer_keys_stale")),
        (Some(1), Some(0))
    );

    for (number, (status, body, _)) in useless(&new).into_iter().enumerate() {
        issuer.set(status, body.clone());
        // A key that nobody knows makes the mint ask; later it asks by itself. When it
        // asks again, it has read the first answer.
        until("the mint has asked", || {
            block_on(ask(&mint.url, &login(&new)));
            issuer.asked() > 1 && shows(&mint, "issuer_keys_stale") == Some(1)
        });
        assert_eq!(block_on(ask(&mint.url, &fresh(&old, number))).0, 200, "{status} {body}");
        // Nobody can say whether the other key is good.
        let (status, code) = block_on(ask(&mint.url, &login(&new)));
        assert_eq!((status, code.as_str()), (503, "issuer-away"), "{body}");
        assert_eq!(shows(&mint, "issuer_keys"), Some(1));
    }
    let said = mint.process.said();
    assert_eq!(said.matches("no usable keys from the issuer; the old").count(), 1, "{said}");

    issuer.set(200, jwks(&new));
    mint.until(&login(&new), 200);
    assert_eq!(shows(&mint, "issuer_keys_stale"), Some(0));
    assert_eq!(block_on(ask(&mint.url, &fresh(&old, 1000))).0, 401, "replaced by a good one");
}

#[test]
fn l2_mint_check_tells_what_the_issuer_answers() {
    let project = Project::new();
    project.demo(["setup"]).success();
    let issuer = JwksServer::start();
    let key = SigningKey::generate().unwrap();
    project.write("mint.yaml", issuer.yaml(&project, ""));
    issuer.set(200, jwks(&key));
    project.demo(["mint", "check"]).says("mint.yaml is valid").success();
    let documents = useless(&key);
    assert!(documents.len() > 15);
    for (status, body, word) in documents {
        issuer.set(status, body);
        project.demo(["mint", "check"]).says(word).fails(2);
    }
    issuer.stop();
    project
        .demo(["mint", "check"])
        .says("cannot fetch the issuer's keys")
        .fails(3)
        .hint("--offline");
    project.demo(["mint", "check", "--offline"]).says("mint.yaml is valid").success();
}

#[test]
fn read_a_bare_template_is_told_by_mint_check() {
    let project = Project::new();
    project.demo(["setup"]).success();
    let issuer = JwksServer::start();
    let key = SigningKey::generate().unwrap();
    issuer.set(200, jwks(&key));
    project.write("mint.yaml", issuer.yaml(&project, "namespace: '{sub}'"));
    project.demo(["mint", "check"]).says("`token.reservedNames`").fails(2);
    let yaml = issuer.yaml(&project, "namespace: '{sub}'\n  reservedNames: [shop]");
    project.write("mint.yaml", yaml);
    project.demo(["mint", "check"]).says("is valid").success();
}

async fn ask(mint: &str, login: &str) -> (u16, String) {
    let request =
        demo_test_support::issuer::client().post(format!("{mint}/token")).bearer_auth(login);
    let (status, body) = demo_test_support::issuer::answer(request).await;
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}
