//! The entry points of the fuzz targets. Built only with `--cfg fuzzing`.

use super::jwk::Keys;
use super::jwt::{self, Rules};
use demo_sqld::strict_json;

/// A login token.
pub fn login(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(login) = jwt::parse(text) else { return };
    let Ok(claims) = jwt::claims(&login) else { return };
    let rules = Rules {
        issuer: "https://issuer.example".to_owned(),
        audience: "authenticated".to_owned(),
        role: None,
    };
    let _ = rules.judge(claims, 1_000_000);
}

/// A set of an issuer's keys.
pub fn jwks(data: &[u8]) {
    if Keys::parse(data).is_ok() {
        assert!(strict_json::object(data).is_ok());
    }
}
