//! Parses a login, which is a JWT, without trusting it, and checks its claims.

use serde_json::{Map, Value};

use crate::refusal::Refusal;
use demo_sqld::jws::{Jws, Malformed};

/// The clocks of issuer and mint may differ by this much, in seconds; it
/// applies to `exp` and `nbf`.
pub const LEEWAY: i64 = 5;
/// The longest login, in bytes. A login of Supabase has about 1,000.
const LONGEST: usize = 8 * 1024;
/// The longest subject, in bytes (`OpenID` Connect Core, section 2).
const LONGEST_SUBJECT: usize = 255;

/// Parses `token` without verifying it.
///
/// # Errors
/// `Oversized`, `Malformed`.
pub fn parse(token: &str) -> Result<Jws<'_>, Refusal> {
    match Jws::parse(token, LONGEST) {
        Ok(jws) if jws.needs_extension => Err(Refusal::Malformed),
        Ok(jws) => Ok(jws),
        Err(Malformed::TooLong) => Err(Refusal::Oversized),
        Err(_) => Err(Refusal::Malformed),
    }
}

/// The claims of a login, which the caller must verify.
///
/// # Errors
/// `Malformed`.
pub fn claims(login: &Jws<'_>) -> Result<Map<String, Value>, Refusal> {
    login.claims().map_err(|_| Refusal::Malformed)
}

/// What the claims of a valid login must be.
#[derive(Clone, Debug)]
pub struct Rules {
    pub issuer: String,
    pub audience: String,
    pub role: Option<String>,
}

/// A valid login.
#[derive(Clone, Debug)]
pub struct Login {
    pub subject: String,
    /// In seconds since 1970, without the leeway.
    pub expires: i64,
    pub claims: Map<String, Value>,
}

impl Rules {
    /// Checks the claims of a login with a valid signature, at `now` in
    /// seconds since 1970.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn judge(&self, claims: Map<String, Value>, now: i64) -> Result<Login, Refusal> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(&self.issuer) {
            return Err(Refusal::Issuer);
        }
        let meant = match claims.get("aud") {
            Some(Value::String(one)) => *one == self.audience,
            Some(Value::Array(several)) => {
                several.iter().any(|one| one.as_str() == Some(&self.audience))
            }
            _ => false,
        };
        if !meant {
            return Err(Refusal::Audience);
        }
        let expires = claims.get("exp").and_then(seconds).ok_or(Refusal::Malformed)?;
        if has_passed(expires, now) {
            return Err(Refusal::Expired);
        }
        if let Some(begin) = claims.get("nbf") {
            let begin = seconds(begin).ok_or(Refusal::Malformed)?;
            if begin > now.saturating_add(LEEWAY) {
                return Err(Refusal::NotYet);
            }
        }
        if self.role.is_some() && text("role") != self.role.as_deref() {
            return Err(Refusal::Role);
        }
        let subject = match text("sub") {
            Some(subject) if (1..=LONGEST_SUBJECT).contains(&subject.len()) => subject.to_owned(),
            _ => return Err(Refusal::Subject),
        };
        Ok(Login { subject, expires, claims })
    }
}

/// Whether a login that expires at `expires` has expired at `now`.
pub fn has_passed(expires: i64, now: i64) -> bool {
    expires.saturating_add(LEEWAY) <= now
}

/// A `NumericDate` (RFC 7519), which may have a fraction.
fn seconds(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "a date beyond i64 becomes its end")]
    let whole = |number: f64| number.floor() as i64;
    value.as_i64().or_else(|| value.as_f64().map(whole))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000_000;

    fn judge(changes: Value) -> Result<Login, Refusal> {
        let rules = Rules {
            issuer: "https://i.example".to_owned(),
            audience: "authenticated".to_owned(),
            role: Some("authenticated".to_owned()),
        };
        let mut claims = json!({
            "iss": "https://i.example", "aud": "authenticated", "role": "authenticated",
            "sub": "u", "exp": NOW + 60,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let Value::Object(claims) = claims else { panic!("an object") };
        rules.judge(claims, NOW)
    }

    #[test]
    fn valid_logins_pass() {
        for changes in [
            json!({}),
            json!({"aud": ["other", "authenticated"]}),
            json!({"exp": NOW - 4}),
            json!({"exp": 1_000_000.5}),
            json!({"nbf": NOW + 5}),
        ] {
            assert_eq!(judge(changes).unwrap().subject, "u");
        }
    }

    #[test]
    fn each_claim_is_checked() {
        for (changes, refusal) in [
            (json!({"iss": "https://i.example/"}), Refusal::Issuer),
            (json!({"iss": ["https://i.example"]}), Refusal::Issuer),
            (json!({"iss": null}), Refusal::Issuer),
            (json!({"aud": "other"}), Refusal::Audience),
            (json!({"aud": null}), Refusal::Audience),
            (json!({"aud": []}), Refusal::Audience),
            (json!({"exp": NOW - 5}), Refusal::Expired),
            (json!({"exp": -1}), Refusal::Expired),
            (json!({"exp": null}), Refusal::Malformed),
            (json!({"exp": "9999999999"}), Refusal::Malformed),
            (json!({"nbf": NOW + 6}), Refusal::NotYet),
            (json!({"nbf": "soon"}), Refusal::Malformed),
            (json!({"role": "anon"}), Refusal::Role),
            (json!({"role": null}), Refusal::Role),
            (json!({"sub": ""}), Refusal::Subject),
            (json!({"sub": 7}), Refusal::Subject),
            (json!({"sub": null}), Refusal::Subject),
            (json!({"sub": "x".repeat(256)}), Refusal::Subject),
        ] {
            assert_eq!(judge(changes.clone()).unwrap_err(), refusal, "{changes}");
        }
    }

    #[test]
    fn malformed_tokens_are_refused_without_a_panic() {
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let refused = |token: &str| parse(token).err();
        for token in ["", ".", "..", "...", "a.b", "a.b.c", "e30.e30.", "e30.e30.e30", "\u{e9}.x.y"]
        {
            assert_eq!(refused(token), Some(Refusal::Malformed), "{token}");
        }
        let long = format!("{}.e30.x", "e".repeat(8192));
        assert_eq!(refused(&long), Some(Refusal::Oversized));
        for header in [
            r#"{"alg":"ES256","crit":["b64"]}"#,
            r#"{"alg":"ES256","crit":null}"#,
            r#"{"alg":"ES256","b64":false}"#,
            r#"{"alg":"ES256","alg":"HS256"}"#,
            r#"{"alg":"ES256","kid":"a","kid":"b"}"#,
        ] {
            let token = format!("{}.e30.AAAA", encoded(header));
            assert_eq!(refused(&token), Some(Refusal::Malformed), "{header}");
        }
    }

    #[test]
    fn l7_a_login_with_a_duplicate_claim_is_refused() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
        for text in [
            r#"{"sub":"bob","sub":"alice"}"#,
            r#"{"sub":"bob","\u0073ub":"alice"}"#,
            r#"{"app_metadata":{"plan":"free","plan":"paid"}}"#,
            r#"{"app_metadata":{"x":[{"ns":1,"ns":2}]}}"#,
            r#"{"sub":{"$serde_json::private::RawValue":"\"alice\""}}"#,
            r#"{"app_metadata":{"plan":{"$serde_json::private::RawValue":"\"paid\""}}}"#,
        ] {
            let token = format!("{header}.{}.AAAA", URL_SAFE_NO_PAD.encode(text));
            assert_eq!(claims(&parse(&token).unwrap()), Err(Refusal::Malformed), "{text}");
        }
    }

    #[test]
    fn unusual_expiry_values_do_not_extend_a_login() {
        for exp in ["1e400", "-0", "-1e300", "\"1e10\"", "[9999999999]", "true", "{}", "0.5"] {
            let text = format!(r#"{{"sub":"u","exp":{exp}}}"#);
            let read = demo_sqld::strict_json::object(text.as_bytes());
            let Ok(claims) = read else { continue };
            let end = claims.get("exp").and_then(seconds);
            assert!(end.is_none_or(|end| has_passed(end, NOW)), "{exp}: {end:?}");
        }
        assert!(!has_passed(seconds(&json!(1e300)).unwrap(), NOW), "a date in the far future");
    }
}
