//! Logins with a good signature that must not be read, on a running mint.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use demo_sqld::keys::SigningKey;
use serde_json::json;

use super::jwks_server::{JwksServer, header, jwk, signed, signed_parts};
use demo_test_support::Project;
use demo_test_support::issuer::{Mint, block_on};

/// Claims that are good but for one thing; `start` are good ones without the brace.
fn claims(start: &str) -> Vec<String> {
    let deep = |open: &str, close: &str, depth: usize| {
        format!("{start},\"x\":{}1{}}}", open.repeat(depth), close.repeat(depth))
    };
    let mut all: Vec<String> = [
        // Each of these has two meanings.
        r#","sub":"victim""#,
        r#","\u0073ub":"victim""#,
        r#","aud":"authenticated""#,
        r#","iss":"x""#,
        r#","exp":99999999999"#,
        r#","app_metadata":{"plan":"free","plan":"paid"}"#,
        r#","app_metadata":{"teams":[{"ns":"a","ns":"b"}]}"#,
        r#","app_metadata":{"plan":{"$serde_json::private::RawValue":"\"paid\""}}"#,
        r#","app_metadata":{"$serde_json::private::RawValue":"{\"plan\":\"paid\"}"}"#,
        r#","x":{"$serde_json::private::Number":"1"}"#,
        r#","x":1e400"#,
        r#","x":NaN"#,
        r#","x":'1'"#,
        r#","x":"\ud800""#,
        ",\"x\":\"\0\"",
    ]
    .iter()
    .map(|more| format!("{start}{more}}}"))
    .collect();
    all.extend([
        format!("\u{feff}{start}}}"),
        format!("{start}}}\0"),
        format!("{start}}}{{}}"),
        format!("[{start}}}]"),
        start.to_owned(),
        deep("[", "]", 33),
        deep("[", "]", 2000),
        deep("{\"a\":", "}", 900),
    ]);
    all
}

/// The same with another `exp` or `sub` in place of the good one.
fn replaced(subject: &str, issuer: &str) -> Vec<String> {
    let with = |sub: &str, exp: &str| {
        format!(r#"{{"iss":"{issuer}","aud":"authenticated","sub":{sub},"exp":{exp}}}"#)
    };
    let good = format!("\"{subject}\"");
    let ends = ["1e400", "-0", "-1e18", "1.5", "\"99999999999\"", "null", "true", "[99999999999]"];
    let raw = r#"{"$serde_json::private::RawValue":"\"victim\""}"#;
    let number = r#"{"$serde_json::private::Number":"99999999999"}"#;
    let mut all: Vec<String> = ends.iter().map(|end| with(&good, end)).collect();
    all.push(with(&good, number));
    all.extend(
        [
            raw,
            "\"victim\\u0000\"",
            "\"\\ufeffvictim\"",
            "\"Victim\"",
            "[\"victim\"]",
            "\"victim \"",
        ]
        .map(|subject| with(subject, "99999999999")),
    );
    all
}

#[test]
fn l7_logins_that_can_be_read_in_two_ways_are_refused_and_not_repeated() {
    let project = Project::up(&["namespaced"]);
    let issuer = JwksServer::start();
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    // One `kid` for two keys: both are tried, and no more.
    let mut twin = jwk(&other);
    twin["kid"] = json!(key.public().thumbprint());
    issuer.set(200, json!({ "keys": [twin, jwk(&key)] }).to_string());
    let mapping = "claims: {readOnlyWhen: [{claim: app_metadata.plan, equals: free}]}";
    project.write("mint.yaml", issuer.yaml(&project, mapping));
    let mut mint = Mint::start_again(&project);
    let start = issuer.claims("mallory");
    let good = format!("{start}}}");
    let head = header(&key);
    mint.until(&signed(&key, &head, &good), 200);
    mint.until(&signed(&other, &head, &good), 200);

    let mut attacks: Vec<String> = Vec::new();
    let bad = claims(&start).into_iter().chain(replaced("mallory", &issuer.url));
    attacks.extend(bad.map(|claims| signed(&key, &head, &claims)));
    let kid = key.public().thumbprint();
    for header in [
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","kid":"x"}}"#),
        format!(r#"{{"alg":"none","alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","jwk":{{"x":1,"x":2}}}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","crit":["b64"],"b64":false}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","crit":["exp"]}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","crit":null}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","b64":false}}"#),
        format!(r#"{{"alg":"EdDSA","kid":["{kid}"]}}"#),
        format!(r#"{{"alg":"none","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"eddsa","kid":"{kid}"}}"#),
        format!(r#"{{"alg":["EdDSA"],"kid":"{kid}"}}"#),
        format!(r#"{{"kid":"{kid}"}}"#),
        format!("\u{feff}{head}"),
        format!("{head}\0"),
    ] {
        attacks.push(signed(&key, &header, &good));
    }
    let (first, second) = (URL_SAFE_NO_PAD.encode(&head), URL_SAFE_NO_PAD.encode(&good));
    for (one, other) in [
        (format!("{first}="), second.clone()),
        (format!("{first}=="), second.clone()),
        (first.clone(), format!("{second}=")),
        (first.clone(), format!("{second}\t")),
        (first.clone(), format!("{second}.")),
        (format!(".{first}"), second.clone()),
        (first.clone(), format!("{second}+")),
        (first.clone(), format!("{second}/")),
    ] {
        attacks.push(signed_parts(&key, &one, &other));
    }
    let whole = signed_parts(&key, &first, &second);
    attacks.extend([format!("{whole}="), format!("{whole}."), format!("{whole}.{first}")]);
    attacks.push(whole.rsplit_once('.').unwrap().0.to_owned() + ".");
    assert!(attacks.len() > 60, "{}", attacks.len());

    let admin_key = project.read(".local/admin/admin.key");
    let admin_key = admin_key.trim();
    block_on(async {
        for login in &attacks {
            let (status, body) = mint.token(login).await;
            assert_eq!(status, 401, "{body} {login}");
            let said = body.to_string();
            let parts = login.split('.').filter(|part| part.len() > 8);
            assert!(parts.into_iter().all(|part| !said.contains(part)), "{said}");
            for word in ["victim", "mallory", "RawValue", "paid", kid.as_str(), admin_key] {
                assert!(!said.contains(word), "{word}: {said}");
            }
        }
        let created = mint.metric("demo_mint_namespaces_created_total").await;
        assert_eq!(created, Some(1), "mallory's own");
    });
    mint.never_says(&attacks);
}
