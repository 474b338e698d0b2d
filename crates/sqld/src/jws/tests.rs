use proptest::prelude::*;
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;
use crate::keys::SigningKey;
use crate::token::mint;

const LONGEST: usize = 8 * 1024;

fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn why(token: &str) -> Malformed {
    Jws::parse(token, LONGEST).err().expect("it is not a token")
}

fn with_header(header: &str) -> String {
    format!("{}.e30.AAAA", part(header))
}

#[test]
fn a_token_has_three_strict_segments() {
    let token = format!("{}.{}.AAAA", part(r#"{"alg":"EdDSA","kid":"k"}"#), part(r#"{"a":1}"#));
    let jws = Jws::parse(&token, LONGEST).unwrap();
    assert_eq!((jws.algorithm.as_str(), jws.key_id.as_deref()), ("EdDSA", Some("k")));
    assert!(!jws.needs_extension);
    assert_eq!(Value::Object(jws.claims().unwrap()), json!({"a": 1}));
    let parts: Vec<&str> = token.split('.').collect();
    for place in 0..3 {
        // The first three letters encode exactly 24 bits, so no bits are left over.
        for odd in ["=", "==", " ", "\n", "\t", "\0", "+", "/", "\u{e9}", "A", "."] {
            for changed in [format!("{}{odd}", parts[place]), format!("{odd}{}", parts[place])] {
                let mut parts = parts.clone();
                parts[place] = &changed;
                let text = parts.join(".");
                let verdict = Jws::parse(&text, LONGEST);
                // One more letter may be canonical, but it decodes to another text.
                let other = verdict.is_ok_and(|jws| jws.claims().is_ok());
                assert!(!other || odd == "A", "{text:?}");
            }
        }
    }
    for (text, count) in [("", 1), ("a.b", 2), ("a.b.c.", 4), ("a.b.c.d.e", 5)] {
        assert_eq!(why(text), Malformed::Parts(count), "{text}");
    }
    assert_eq!(why(&"x".repeat(LONGEST + 1)), Malformed::TooLong);
    assert_eq!(Malformed::Parts(1).to_string(), "it has 1 part instead of 3");
    assert_eq!(
        Malformed::Encoding(2).to_string(),
        "its third part is not base64url without padding"
    );
}

#[test]
fn bits_that_no_encoder_writes_are_refused_in_every_segment() {
    // `e30` is `{}`; its last letter has two bits left over.
    let header = part(r#"{"alg":"x","k":1}"#);
    assert!(!header.len().is_multiple_of(4), "there are bits left over");
    for (token, place) in [
        (format!("{header}.e31.AA"), 1),
        (format!("{header}.e30.AB"), 2),
        (format!("{}.e30.AA", next(&header)), 0),
    ] {
        assert_eq!(why(&token), Malformed::Encoding(place), "{token}");
    }
}

/// The same text with the lowest bit of its last letter set.
fn next(text: &str) -> String {
    let (start, last) = text.split_at(text.len() - 1);
    format!("{start}{}", char::from(last.as_bytes()[0] + 1))
}

#[test]
fn l7_a_header_has_each_parameter_once() {
    let twice =
        |token: &str| matches!(why(token), Malformed::Json { part: 0, why: Unreadable::Twice });
    for header in [
        r#"{"alg":"EdDSA","alg":"none"}"#,
        r#"{"alg":"EdDSA","kid":"a","kid":"b"}"#,
        r#"{"alg":"EdDSA","\u0061lg":"none"}"#,
        r#"{"alg":"EdDSA","jwk":{"x":1,"x":2}}"#,
        r#"{"alg":"EdDSA","unknown":1,"unknown":1}"#,
    ] {
        assert!(twice(&with_header(header)), "{header}");
    }
    for header in ["{}", r#"{"alg":null}"#, r#"{"alg":["EdDSA"]}"#, r#"{"ALG":"EdDSA"}"#] {
        assert_eq!(why(&with_header(header)), Malformed::Algorithm, "{header}");
    }
    assert_eq!(why(&with_header(r#"{"alg":"EdDSA","kid":7}"#)), Malformed::KeyId);
    for header in ["\u{feff}{\"alg\":\"x\"}", "{\"alg\":\"x\"}\0", "[]", "null", ""] {
        assert!(matches!(why(&with_header(header)), Malformed::Json { part: 0, .. }), "{header:?}");
    }
}

#[test]
fn l7_claims_are_there_once_at_every_depth() {
    for (claims, expected) in [
        (r#"{"sub":"a","sub":"b"}"#, Unreadable::Twice),
        (r#"{"app_metadata":{"plan":"free","plan":"paid"}}"#, Unreadable::Twice),
        (r#"{"p":{"rw":{"ns":["a"]},"rw":{"ns":["b"]}}}"#, Unreadable::Twice),
        (r#"{"sub":{"$serde_json::private::RawValue":"\"a\""}}"#, Unreadable::Reserved),
        (r#"{"exp":{"$serde_json::private::Number":"9999999999"}}"#, Unreadable::Reserved),
        (r#"{"exp":1e400}"#, Unreadable::NoObject),
        ("[]", Unreadable::NoObject),
    ] {
        let token = format!("{}.{}.AAAA", part(r#"{"alg":"EdDSA"}"#), part(claims));
        let read = Jws::parse(&token, LONGEST).unwrap().claims();
        assert_eq!(read, Err(Malformed::Json { part: 1, why: expected }), "{claims}");
    }
    let deep = format!("{}1{}", "{\"a\":".repeat(900), "}".repeat(900));
    let token = format!("{}.{}.AAAA", part(r#"{"alg":"EdDSA"}"#), part(&deep));
    assert!(Jws::parse(&token, LONGEST).unwrap().claims().is_err());
}

#[test]
fn extensions_are_seen() {
    for header in [
        r#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#,
        r#"{"alg":"EdDSA","b64":false}"#,
        r#"{"alg":"EdDSA","crit":[]}"#,
        r#"{"alg":"EdDSA","crit":null}"#,
    ] {
        assert!(Jws::parse(&with_header(header), LONGEST).unwrap().needs_extension, "{header}");
    }
}

#[test]
fn the_key_decides_on_the_algorithm() {
    let key = SigningKey::generate().unwrap();
    let token = mint(&key, &json!({"a": "rw"})).unwrap();
    let token = token.expose_secret();
    let own = Verifier::ed25519(key.public().as_bytes()).unwrap();
    // The public key, used as an HMAC secret.
    let confused = Verifier::hs256(key.public().as_bytes());
    let jws = Jws::parse(token, LONGEST).unwrap();
    assert!(jws.is_signed_by(&own) && !jws.is_signed_by(&confused));
    let (message, signature) = token.rsplit_once('.').unwrap();
    let payload = message.split_once('.').unwrap().1;
    for algorithm in ["none", "HS256", "eddsa", "EdDSA ", "ED25519", ""] {
        let header = part(&json!({ "alg": algorithm }).to_string());
        let forged = format!("{header}.{payload}.{signature}");
        assert!(!Jws::parse(&forged, LONGEST).unwrap().is_signed_by(&own), "{algorithm}");
    }
}

#[test]
fn a_signature_cannot_be_changed_into_another_good_one() {
    // The order of the group: both S and S + L would satisfy the equation.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let key = SigningKey::generate().unwrap();
    let verifier = Verifier::ed25519(key.public().as_bytes()).unwrap();
    let token = mint(&key, &json!({"a": "rw"})).unwrap();
    let (message, signature) = token.expose_secret().rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut carry = 0u16;
    for (byte, add) in bytes[32..].iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    let changed = format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes));
    assert!(!Jws::parse(&changed, LONGEST).unwrap().is_signed_by(&verifier));
    for signature in [String::new(), URL_SAFE_NO_PAD.encode([0; 64]), format!("{signature}AAAA")] {
        let changed = format!("{message}.{signature}");
        let forged = Jws::parse(&changed, LONGEST);
        assert!(forged.is_ok_and(|jws| !jws.is_signed_by(&verifier)), "{signature}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*|[a-zA-Z0-9_-]*\\.[a-zA-Z0-9_-]*\\.[a-zA-Z0-9_-]*") {
        if let Ok(jws) = Jws::parse(&text, LONGEST) {
            let _ = jws.claims();
        }
    }

    /// No two texts are the same token, since each value has a single encoding.
    #[test]
    fn a_segment_has_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..40), letter in "[A-Za-z0-9_=-]") {
        let text = URL_SAFE_NO_PAD.encode(&bytes);
        let mut changed = text.clone();
        changed.pop();
        changed.push_str(&letter);
        prop_assume!(changed != text);
        prop_assert_ne!(decoded(0, &changed).ok(), Some(bytes));
    }
}
