use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::login::jwt;
use demo_sqld::keys::SigningKey;
use demo_sqld::token::mint;
use secrecy::ExposeSecret;

fn parse(keys: &Value) -> Result<Keys, Unusable> {
    Keys::parse(&serde_json::to_vec(&json!({ "keys": keys })).unwrap())
}

fn count(keys: &Value) -> usize {
    parse(keys).map_or(0, |keys| keys.len())
}

fn text(bytes: usize) -> String {
    URL_SAFE_NO_PAD.encode(vec![0xff; bytes])
}

fn good(key: &SigningKey) -> Value {
    let x = URL_SAFE_NO_PAD.encode(key.public().as_bytes());
    json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "a"})
}

fn broken() -> Vec<Value> {
    vec![
        json!(null),
        json!({}),
        json!({"kty": 7}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": text(3)}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "!"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": 7}),
        json!({"kty": "OKP", "crv": "Ed25519"}),
        // Keys of small order, 0 and 1, verify signatures that nobody has made.
        json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([0; 32])}),
        json!({"kty": "OKP", "crv": "X25519", "x": text(32)}),
        json!({"kty": "EC", "crv": "P-256", "x": text(31), "y": text(32)}),
        json!({"kty": "EC", "crv": "P-256", "x": text(32), "y": text(32)}),
        json!({"kty": "EC", "crv": "P-384", "x": text(48), "y": text(48)}),
        json!({"kty": "RSA", "n": text(128), "e": "AQAB"}),
        json!({"kty": "RSA", "n": text(255), "e": "AQAB"}),
        json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode([&[0; 128][..], &[0xff; 128]].concat()), "e": "AQAB"}),
        json!({"kty": "RSA", "n": text(4096), "e": "AQAB"}),
        json!({"kty": "RSA", "n": text(256), "e": "AQ"}),
        json!({"kty": "RSA", "n": text(256), "e": "Ag"}),
        json!({"kty": "RSA", "n": text(256), "e": ""}),
        json!({"kty": "RSA", "n": "", "e": "AQAB"}),
        json!({"kty": "RSA", "n": text(256), "e": "AQAB", "alg": "PS256"}),
        json!({"kty": "oct", "k": text(32), "alg": "HS256"}),
    ]
}

#[test]
fn one_broken_key_does_not_spoil_the_others() {
    let good = good(&SigningKey::generate().unwrap());
    let mut broken = broken();
    for change in [("use", "enc"), ("alg", "ES256")] {
        let mut key = good.clone();
        key[change.0] = json!(change.1);
        broken.push(key);
    }
    for broken in broken {
        assert_eq!(count(&json!([broken, good])), 1, "{broken}");
    }
}

#[test]
fn l2_a_document_without_a_usable_key_is_refused() {
    for document in
        ["", "[]", "{}", r#"{"keys":1}"#, r#"{"keys":{}}"#, "<html>", "{\"keys\":[", "null"]
    {
        assert!(Keys::parse(document.as_bytes()).is_err(), "{document}");
    }
    assert_eq!(parse(&json!([])).err(), Some(Unusable::NoKey(0)));
    assert_eq!(parse(&json!(broken())).err(), Some(Unusable::NoKey(broken().len())));
    let twice = br#"{"keys":[],"keys":[]}"#;
    assert_eq!(Keys::parse(twice).err(), Some(Unusable::Json(strict_json::Unreadable::Twice)));
}

#[test]
fn the_number_of_keys_is_limited() {
    let key = json!({"kty": "RSA", "n": text(256), "e": "AQAB"});
    assert_eq!(count(&json!(vec![key.clone(); 100])), 32);
    // A leading zero is not part of the number.
    let n = URL_SAFE_NO_PAD.encode([&[0][..], &[0xff; 256]].concat());
    assert_eq!(count(&json!([{"kty": "RSA", "n": n, "e": "AQAB"}])), 1);
}

#[test]
fn all_keys_with_the_named_kid_are_tried() {
    let (own, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let kid = own.public().thumbprint();
    let named = |key: &SigningKey, kid: &str| {
        let mut key = good(key);
        key["kid"] = json!(kid);
        key
    };
    let token = mint(&own, &json!({"sub": "u"})).unwrap();
    let verify =
        |keys: Value| parse(&keys).unwrap().verify(&jwt::parse(token.expose_secret()).unwrap());
    let rsa = json!({"kty": "RSA", "n": text(256), "e": "AQAB", "kid": kid});
    assert_eq!(verify(json!([named(&own, &kid)])), Ok(()));
    assert_eq!(verify(json!([named(&other, &kid), rsa, named(&own, &kid)])), Ok(()));
    assert_eq!(verify(json!([named(&other, &kid)])), Err(Refusal::Signature));
    assert_eq!(verify(json!([named(&own, "b")])), Err(Refusal::UnknownKey));
    assert_eq!(verify(json!([rsa])), Err(Refusal::Algorithm));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Keys::parse(&bytes);
    }

    #[test]
    fn no_coordinates_make_it_panic(kty in "EC|RSA|OKP", crv in "P-256|Ed25519",
        [x, y, n, e] in proptest::array::uniform4(proptest::collection::vec(any::<u8>(), 0..300))) {
        let [x, y, n, e] = [x, y, n, e].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let _ = parse(&json!([{"kty": kty, "crv": crv, "x": x, "y": y, "n": n, "e": e}]));
    }
}
