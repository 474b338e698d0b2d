use std::fs;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;
use crate::claims::Grant;

const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn judged(payload: Value) -> Inspection {
    let key = SigningKey::generate().unwrap();
    let claims = Claims::from_map(payload.as_object().unwrap().clone());
    let token = mint(&key, &claims).unwrap();
    inspect(token.expose_secret(), &KeySet(vec![key.public()]), now()).unwrap()
}

#[test]
fn a_new_token_is_accepted_and_names_its_key() {
    let (old, new) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let grant = Grant::full(Duration::from_secs(86_340));
    let token = mint(&new, &grant.claims(now())).unwrap();
    let token = token.expose_secret();
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    let kid = new.public().thumbprint();
    assert_eq!(header, json!({ "typ": "JWT", "alg": "EdDSA", "kid": kid }));
    let rotation = KeySet(vec![old.public(), new.public()]);
    let inspection = inspect(&format!("  {token}\n"), &rotation, now()).unwrap();
    assert!(inspection.accepted, "{inspection}");
    assert_eq!(inspection.key, Some(new.public().thumbprint()));
    assert_eq!(inspection.claims, grant.claims(now()));
    assert_eq!(expiry(token), inspection.expires);
    assert_eq!(inspection.allows, ["read and write every namespace"]);
    let text = inspection.to_string();
    assert!(text.contains("expires in 23 hours 59 minutes"), "{text}");
}

#[test]
fn the_signature_of_openssl_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate().unwrap();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","typ":"JWT"}"#);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(r#"{"a":"ro"}"#));
    fs::write(folder.path().join("key"), key.to_pem().expose_secret()).unwrap();
    fs::write(folder.path().join("message"), &message).unwrap();
    let signed = Command::new("openssl")
        .args(["pkeyutl", "-sign", "-rawin", "-inkey", "key", "-in", "message"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(signed.status.success());
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed.stdout));
    let inspection = inspect(&token, &KeySet(vec![key.public()]), now()).unwrap();
    assert!(inspection.accepted, "{inspection}");
    assert_eq!(inspection.allows, ["read every namespace"]);
}

#[test]
fn refusals_say_why() {
    for (payload, reason) in [
        (json!({"a": "rw", "exp": NOW - 61}), "it expired 1 minute ago"),
        (json!({"a": "rw", "exp": NOW - 10_900}), "it expired 3 hours ago"),
        (json!({"aud": "x"}), "it has the claim `aud`, and the server refuses every token with it"),
        (json!({"a": "admin"}), "its claim `a` is not one of rw, ro, roa"),
        (json!({"exp": "soon"}), "its claim `exp` is not a whole number of seconds that is a date"),
        (json!({"exp": 1.5}), "its claim `exp` is not a whole number of seconds that is a date"),
        (json!({"p": ["x"]}), "its claim `p` is not an object of lists of namespaces"),
        (json!({"id": 5}), "its claim `id` is not the name of a namespace"),
        (json!({"id": ""}), "its claim `id` is not the name of a namespace"),
        (
            json!({"exp": i64::MAX}),
            "its claim `exp` is not a whole number of seconds that is a date",
        ),
        (json!({"aud": []}), "it has the claim `aud`, and the server refuses every token with it"),
    ] {
        let inspection = judged(payload.clone());
        assert_eq!(inspection.reason.as_deref(), Some(reason), "{payload}");
        assert!(!inspection.accepted && inspection.allows.is_empty());
    }
}

#[test]
fn what_the_server_does_not_check_does_not_refuse() {
    for payload in [
        json!({"exp": NOW - 59}),
        json!({"exp": null}),
        json!({"exp": -1}),
        json!({"exp": 8_000_000_000_000_i64}),
        json!({"aud": 5}),
        json!({"aud": {}}),
        json!({"nbf": NOW + 3600}),
        json!({"iat": NOW + 3600}),
        json!({"iss": "x", "sub": 7, "aud": null}),
    ] {
        assert!(judged(payload.clone()).accepted, "{payload}");
    }
    let late = judged(json!({"exp": NOW - 59})).to_string();
    assert!(
        late.contains("expired 59 seconds ago, but the server allows another minute"),
        "{late}"
    );
}

#[test]
fn what_the_holder_may_do_is_said() {
    let everything = "warning: it has none of `a`, `id` and `p`, which the server treats as \
                      full access: read and write every namespace";
    for (payload, first) in [
        (json!({}), everything),
        (json!({"sub": "user-1"}), everything),
        (json!({"a": "rw"}), "read and write every namespace"),
        (json!({"a": "ro", "id": "shop"}), "read `shop`"),
        (json!({"a": "roa"}), "read and attach every namespace"),
        (
            json!({"id": "shop"}),
            "read and write `shop`: a token without `a` is not limited to reading",
        ),
        (json!({"p": {"rw": {"ns": ["a", "b"]}}}), "read and write `a`, `b`"),
        (json!({"p": {"ro": {"ns": ["a"]}}, "a": "rw"}), "read `a`"),
        (json!({"p": {"rwa": {"ns": ["a"]}}}), "read, write and attach `a`"),
        (json!({"p": {"ddl": {"ns": ["a"]}}}), "read, write and change the schema of `a`"),
        (
            json!({"p": {"rw": {"tags": ["g"]}}}),
            "read and write every namespace of a server whose LIBSQL_GID is `g`",
        ),
        (json!({"p": {}}), "nothing: `p` names no namespace, so every request is answered 404"),
    ] {
        assert_eq!(judged(payload.clone()).allows[0], first, "{payload}");
    }
    let both = judged(json!({"p": {"roa": {"ns": ["a"]}}, "id": "b", "nbf": NOW + 60})).allows;
    assert_eq!(both.len(), 5, "{both:?}");
}

#[test]
fn other_keys_and_algorithms_are_refused() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let token = mint(&key, &Claims::default()).unwrap();
    let token = token.expose_secret();
    for (keys, reason) in [
        (vec![], "there is no key to verify it with"),
        (vec![other.public()], "the key that the server trusts does not verify it"),
        (vec![other.public(); 2], "none of the 2 keys that the server trusts verifies it"),
    ] {
        let inspection = inspect(token, &KeySet(keys), now()).unwrap();
        assert_eq!((inspection.reason.as_deref(), inspection.key), (Some(reason), None));
    }
    for algorithm in ["none", "HS256", "\u{1b}[2J"] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": algorithm}).to_string());
        let forged = format!("{header}.{}", token.split_once('.').unwrap().1);
        let inspection = inspect(&forged, &KeySet(vec![key.public()]), now()).unwrap();
        assert!(!inspection.accepted);
        assert!(!inspection.to_string().contains('\u{1b}'));
    }
}

#[test]
fn what_is_no_token_is_bad_input_and_not_repeated() {
    let part = URL_SAFE_NO_PAD.encode("{}");
    for text in [
        String::new(),
        "abc".to_owned(),
        "a.b".to_owned(),
        "a.b.c.d.e".to_owned(),
        "Bearer a.b.c".to_owned(),
        "secretpart.b.c".to_owned(),
        format!("{part}.{part}.c"),
        format!("{}.{}.c", URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA"}"#), "WzFd"),
    ] {
        let error = inspect(&text, &KeySet::default(), now()).unwrap_err();
        assert!(matches!(error, Error::NoToken { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.starts_with("this is not a JWT: "), "{message}");
        assert!(!message.contains("secretpart"), "{message}");
    }
}

#[test]
fn l7_a_claim_that_is_there_twice_is_told() {
    let key = SigningKey::generate().unwrap();
    let token = mint(&key, &json!({"a": "ro"})).unwrap();
    let header = token.expose_secret().split('.').next().unwrap();
    for claims in [r#"{"a":"ro","a":"rw"}"#, r#"{"p":{"ro":{"ns":["secretpart"],"ns":["b"]}}}"#] {
        let token = format!("{header}.{}.AAAA", URL_SAFE_NO_PAD.encode(claims));
        let error = inspect(&token, &KeySet(vec![key.public()]), now()).unwrap_err();
        assert!(matches!(error, Error::NoToken { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("twice") && !message.contains("secretpart"), "{message}");
        assert_eq!(expiry(&token), None);
    }
}

#[test]
fn as_json_it_has_the_same_facts() {
    let value = serde_json::to_value(judged(json!({"a": "rw", "exp": NOW + 60, "x": 1}))).unwrap();
    assert_eq!(value["claims"], json!({"a": "rw", "exp": NOW + 60, "x": 1}));
    assert_eq!(value["expires"], json!("2027-01-15T08:01:00Z"));
    assert_eq!((&value["accepted"], &value["algorithm"]), (&json!(true), &json!("EdDSA")));
    assert!(value.get("now").is_none());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*|[a-zA-Z0-9_-]*\\.[a-zA-Z0-9_-]*\\.[a-zA-Z0-9_-]*") {
        let _ = inspect(&text, &KeySet::default(), now());
        let _ = expiry(&text);
    }

    #[test]
    fn a_changed_token_never_verifies(position in 0usize..150, bit in 0u8..7) {
        let key = SigningKey::generate().unwrap();
        let grant = Grant::full(Duration::from_mins(1));
        let token = mint(&key, &grant.claims(now())).unwrap();
        let mut bytes = token.expose_secret().as_bytes().to_vec();
        let position = position % (bytes.len() - 1);
        bytes[position] ^= 1 << bit;
        if let Ok(changed) = String::from_utf8(bytes)
            && let Ok(inspection) = inspect(&changed, &KeySet(vec![key.public()]), now())
        {
            prop_assert!(!inspection.accepted);
        }
    }
}
