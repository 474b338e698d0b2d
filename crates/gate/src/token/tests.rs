use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use demo_sqld::keys::{KeySet, SigningKey};
use demo_sqld::token::mint;

const NOW: i64 = 1_800_000_000;

fn key() -> SigningKey {
    SigningKey::generate().unwrap()
}

fn verifier(keys: &[&SigningKey]) -> Verifier {
    Verifier::new(trusted(keys), Required::default(), Revoked::nothing())
}

fn key_set(keys: &[&SigningKey]) -> KeySet {
    KeySet(keys.iter().map(|key| key.public()).collect())
}

fn trusted(keys: &[&SigningKey]) -> TrustedKeys {
    TrustedKeys::new(&key_set(keys))
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    mint(key, claims).unwrap().expose_secret().to_owned()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token with any header, signed by `key`.
fn sign_with(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let whole = sign(key, claims);
    // `mint` always writes the same header, so this one is signed separately.
    drop(whole);
    let der = jsonwebtoken::EncodingKey::from_ed_pem(key.to_pem().expose_secret().as_bytes());
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &der.unwrap(), Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn valid_tokens_of_any_trusted_key_pass_also_from_the_cache() {
    let (first, second) = (key(), key());
    let verifier = verifier(&[&first, &second]);
    for key in [&first, &second] {
        let token = sign(key, &json!({"id": "a", "exp": NOW + 1}));
        for _ in 0..2 {
            assert_eq!(verifier.verify(&token, NOW).unwrap().claims.id.as_deref(), Some("a"));
        }
        let kid = key.public().thumbprint();
        let named = sign_with(key, &json!({"alg": "EdDSA", "kid": kid}), &json!({"id": "b"}));
        assert_eq!(verifier.verify(&named, NOW).unwrap().claims.id.as_deref(), Some("b"));
    }
}

#[test]
fn forged_tokens_are_refused() {
    let (own, foreign) = (key(), key());
    let verifier = verifier(&[&own]);
    let claims = json!({"id": "a"});
    let good = sign(&own, &claims);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let kid = own.public().thumbprint();
    let public = own.public();
    let hmac = {
        let message = format!("{}.{}", part(&json!({"alg": "HS256"})), part(&claims));
        let secret = jsonwebtoken::EncodingKey::from_secret(public.as_bytes());
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    };
    for bad in [
        sign(&foreign, &claims),
        sign_with(&foreign, &json!({"alg": "EdDSA", "kid": kid}), &claims),
        sign_with(&own, &json!({"alg": "none"}), &claims),
        sign_with(&own, &json!({"alg": "eddsa"}), &claims),
        sign_with(&own, &json!({"alg": "EdDSA", "crit": ["b64"], "b64": false}), &claims),
        sign_with(&own, &json!({"alg": "EdDSA"}), &json!({"id": 7})),
        hmac,
        format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims)),
        format!("{message}."),
        format!("{good}."),
        format!(".{good}"),
        format!("{good} "),
        message.to_owned(),
        format!("{}.{}.{signature}", part(&json!({"alg": "EdDSA"})), part(&json!({"id": "b"}))),
        "a.b.c".to_owned(),
        "..".to_owned(),
        "x".repeat(LONGEST + 1),
    ] {
        assert_eq!(verifier.verify(&bad, NOW).unwrap_err(), Bad::Invalid, "{bad}");
    }
    assert_eq!(verifier.verify("", NOW).unwrap_err(), Bad::Missing);
    verifier.verify(&good, NOW).unwrap();
}

#[test]
fn expiry_is_exact_and_checked_on_every_use() {
    let key = key();
    let verifier = verifier(&[&key]);
    let token = sign(&key, &json!({"id": "a", "nbf": NOW, "exp": NOW + 10}));
    for (at, expected) in [
        (NOW, None),
        (NOW + 9, None),
        (NOW + 10, Some(Bad::Expired)),
        (NOW + 3600, Some(Bad::Expired)),
        (NOW - 1, Some(Bad::Early)),
        (NOW + 5, None),
    ] {
        assert_eq!(verifier.verify(&token, at).err(), expected, "{at}");
    }
    // A time before 1970 does not mean `never`.
    let old = sign(&key, &json!({"id": "a", "exp": -1}));
    assert_eq!(verifier.verify(&old, NOW).unwrap_err(), Bad::Expired);
}

#[test]
fn l6_an_expiry_and_an_id_can_be_required() {
    let key = key();
    let verdict = |exp: bool, jti: bool, claims: &Value| {
        let required = Required { exp, jti, ..Required::default() };
        let verifier = Verifier::new(trusted(&[&key]), required, Revoked::nothing());
        let token = sign(&key, claims);
        let first = verifier.verify(&token, NOW).err();
        assert_eq!(verifier.verify(&token, NOW).err(), first, "from the cache");
        first
    };
    let both = json!({"id": "a", "exp": NOW + 60, "jti": "one"});
    let (endless, nameless) = (json!({"jti": "one"}), json!({"exp": NOW + 60}));
    for (claims, without_end, without_id) in [
        (&both, None, None),
        (&endless, Some(Bad::Endless), None),
        (&json!({"exp": null, "jti": "one"}), Some(Bad::Endless), None),
        (&nameless, None, Some(Bad::Nameless)),
        (&json!({"exp": NOW + 60, "jti": null}), None, Some(Bad::Nameless)),
        (&json!({"exp": NOW + 60, "jti": ""}), None, Some(Bad::Nameless)),
    ] {
        assert_eq!(verdict(false, false, claims), None, "{claims}");
        assert_eq!(verdict(true, false, claims), without_end, "{claims}");
        assert_eq!(verdict(false, true, claims), without_id, "{claims}");
    }
    assert_eq!(Bad::Endless.code(), "token-without-end");
    assert_eq!(Bad::Nameless.code(), "token-without-id");
}

#[test]
fn l7_ambiguous_tokens_are_refused() {
    let key = key();
    let verifier = verifier(&[&key]);
    let signed = |header: &str, claims: &str| {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let der = jsonwebtoken::EncodingKey::from_ed_pem(key.to_pem().expose_secret().as_bytes());
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &der.unwrap(), Algorithm::EdDSA);
        format!("{message}.{}", signature.unwrap())
    };
    let plain = r#"{"alg":"EdDSA"}"#;
    verifier.verify(&signed(plain, r#"{"id":"a"}"#), NOW).unwrap();
    for (header, claims) in [
        (plain, r#"{"id":"a","x":1,"x":2}"#),
        (plain, r#"{"id":"a","x":{"y":1,"y":2}}"#),
        (plain, r#"{"p":{"rw":{"ns":["a"]},"other":1,"other":2}}"#),
        (plain, r#"{"id":{"$serde_json::private::RawValue":"\"a\""}}"#),
        (plain, r#"{"id":"a","x":{"$serde_json::private::RawValue":"1"}}"#),
        (plain, "\u{feff}{\"id\":\"a\"}"),
        (plain, "{\"id\":\"a\"}\0"),
        (plain, r#"{"id":"a","exp":1e400}"#),
        (plain, r#"{"id":"a","exp":1.5}"#),
        (plain, r#"{"id":"a","exp":-0}"#),
        (plain, r#"{"id":"a","exp":"9999999999"}"#),
        (plain, r#"{"id":"a","exp":9223372036854775808}"#),
        (r#"{"alg":"EdDSA","typ":"JWT","typ":"JWT"}"#, r#"{"id":"a"}"#),
        (r#"{"alg":"EdDSA","kid":"x","kid":"y"}"#, r#"{"id":"a"}"#),
        (r#"{"alg":"EdDSA","b64":false}"#, r#"{"id":"a"}"#),
        (r#"{"alg":"EdDSA","crit":null}"#, r#"{"id":"a"}"#),
    ] {
        let verdict = verifier.verify(&signed(header, claims), NOW);
        assert_eq!(verdict.unwrap_err(), Bad::Invalid, "{header} {claims}");
    }
    let deep = format!("{{\"id\":\"a\",\"x\":{}{}}}", "[".repeat(2000), "]".repeat(2000));
    assert_eq!(verifier.verify(&signed(plain, &deep), NOW).unwrap_err(), Bad::Invalid);
}

#[test]
fn issuer_and_audience_are_checked() {
    let key = key();
    let verifier = Verifier::new(
        trusted(&[&key]),
        Required { issuer: Some("mint".to_owned()), ..Required::default() },
        Revoked::nothing(),
    );
    let check = |claims: Value| verifier.verify(&sign(&key, &claims), NOW).err();
    assert_eq!(check(json!({"iss": "mint"})), None);
    assert_eq!(check(json!({"iss": "other"})), Some(Bad::Issuer));
    assert_eq!(check(json!({})), Some(Bad::Issuer));
    assert_eq!(check(json!({"iss": "mint", "aud": "x"})), Some(Bad::Audience));
    assert_eq!(check(json!({"iss": "mint", "aud": 7})), Some(Bad::Audience));
}

#[test]
fn a_token_that_is_revoked_later_is_refused_although_it_is_cached() {
    let key = key();
    let revoked = Revoked::nothing();
    let verifier = Verifier::new(trusted(&[&key]), Required::default(), revoked.clone());
    let token = sign(&key, &json!({"id": "a", "jti": "one"}));
    let other = sign(&key, &json!({"id": "a", "jti": "two"}));
    verifier.verify(&token, NOW).unwrap();
    revoked.replace("# lost\none\n");
    assert_eq!(verifier.verify(&token, NOW).unwrap_err(), Bad::Revoked);
    verifier.verify(&other, NOW).unwrap();
}

#[test]
fn removing_a_key_invalidates_its_tokens() {
    let (old, new) = (key(), key());
    let keys = trusted(&[&old]);
    let verifier = Verifier::new(keys.clone(), Required::default(), Revoked::nothing());
    let (first, second) = (sign(&old, &json!({"id": "a"})), sign(&new, &json!({"id": "a"})));
    let kept = verifier.verify(&first, NOW).unwrap();
    assert_eq!(verifier.verify(&second, NOW).unwrap_err(), Bad::Invalid);
    keys.replace(&key_set(&[&old, &new]));
    verifier.verify(&first, NOW).unwrap();
    verifier.verify(&second, NOW).unwrap();
    keys.replace(&key_set(&[&new]));
    assert_eq!(verifier.verify(&first, NOW).unwrap_err(), Bad::Invalid);
    assert_eq!(verifier.recheck(&kept, NOW).unwrap_err(), Bad::Invalid);
    verifier.verify(&second, NOW).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// A token with one changed byte, at any position, is not valid.
    #[test]
    fn no_byte_can_be_changed(place in 0usize..200, byte in any::<u8>()) {
        let key = SigningKey::generate().unwrap();
        let verifier = verifier(&[&key]);
        let token = sign(&key, &json!({"id": "a", "exp": NOW + 1}));
        let mut bytes = token.clone().into_bytes();
        let place = place % bytes.len();
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            prop_assert!(verifier.verify(text, NOW).is_err());
        }
        prop_assert!(verifier.verify(&token, NOW).is_ok());
    }
}
