//! Typed values of `mint.yaml`. No error message repeats a value.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use demo_sqld::namespace::NamespaceName;

/// The shortest key for HMAC-SHA-256 (RFC 7518, section 3.2), in bytes.
const SHORTEST_SHARED_SECRET: usize = 32;
const SHORTEST_LIFETIME: Duration = Duration::from_secs(10);
const LONGEST_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// An address of the login issuer. Its answers are trusted, so it must be https, or
/// http on loopback.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct IssuerUrl(pub Url);

impl TryFrom<String> for IssuerUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let message = "it must be an https address, or an http address on loopback";
        let url = Url::parse(&text).map_err(|_| message)?;
        let plain = url.username().is_empty() && url.password().is_none() && url.has_host();
        match url.scheme() {
            "https" if plain => Ok(Self(url)),
            "http" if plain && is_loopback(&url) => Ok(Self(url)),
            _ => Err(message),
        }
    }
}

/// Whether a URL's host is `localhost` or a loopback address.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || number.is_ok_and(|address| address.is_loopback())
}

/// The address of a server, without a path. Plain http is allowed for any host: the Admin
/// API of sqld 0.24.32 has no TLS, so it belongs on a private network.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct ServerUrl(String);

impl ServerUrl {
    /// Scheme, host and port, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServerUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let message = "it must be an http or https address without a path";
        let url = Url::parse(&text).map_err(|_| message)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let nobody = url.username().is_empty() && url.password().is_none();
        if matches!(url.scheme(), "http" | "https") && url.has_host() && bare && nobody {
            Ok(Self(text.trim_end_matches('/').to_owned()))
        } else {
            Err(message)
        }
    }
}

/// A secret that is sent in a header.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Secret(pub SecretString);

impl TryFrom<String> for Secret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err("it must consist of letters, digits and punctuation, and must not be empty")
        }
    }
}

/// The secret of HS256 logins.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct SharedSecret(SecretString);

impl SharedSecret {
    pub fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl TryFrom<String> for SharedSecret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() < SHORTEST_SHARED_SECRET {
            return Err("it must have at least 32 bytes (RFC 7518): a shorter one can be guessed");
        }
        // Somebody may have taken a public key for the secret.
        if text.contains("-----BEGIN") {
            return Err("it is a PEM file, not a shared secret; use `jwks` for public keys");
        }
        Ok(Self(text.into()))
    }
}

/// The name of a namespace that no user may have.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct ReservedName(pub NamespaceName);

impl TryFrom<String> for ReservedName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self).map_err(|_| "it must be the name of a namespace")
    }
}

/// How long a database token is valid.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Lifetime(pub Duration);

impl Default for Lifetime {
    fn default() -> Self {
        Self(Duration::from_secs(3600))
    }
}

impl TryFrom<String> for Lifetime {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match humantime::parse_duration(&text) {
            Ok(life) if (SHORTEST_LIFETIME..=LONGEST_LIFETIME).contains(&life) => Ok(Self(life)),
            _ => Err("it must be a duration such as 15m or 1h, from 10s to 7d"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken<T: TryFrom<String>>(texts: &[&str]) -> Vec<bool> {
        texts.iter().map(|text| T::try_from((*text).to_owned()).is_ok()).collect()
    }

    #[test]
    fn issuers_are_https_or_on_loopback() {
        let good =
            ["https://a.example/x", "http://127.0.0.1:1/x", "http://[::1]/", "http://localhost/"];
        assert_eq!(taken::<IssuerUrl>(&good), [true; 4]);
        let bad = [
            "http://a.example/",
            "http://127.0.0.1.evil.example/",
            "https://u:p@a.example/",
            "x",
            "file:///etc",
        ];
        assert_eq!(taken::<IssuerUrl>(&bad), [false; 5]);
    }

    #[test]
    fn servers_are_bare_addresses() {
        assert_eq!(taken::<ServerUrl>(&["http://primary:8082", "https://a.example/"]), [true; 2]);
        assert_eq!(
            taken::<ServerUrl>(&["http://a/x", "http://a/?x", "ftp://a", "a:8080"]),
            [false; 4]
        );
    }

    #[test]
    fn weak_and_mistaken_secrets_are_refused() {
        let pem = "-----BEGIN PUBLIC KEY-----\nAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(taken::<SharedSecret>(&[&"x".repeat(32), "short", pem]), [true, false, false]);
        assert_eq!(taken::<Secret>(&["k", "", "two words"]), [true, false, false]);
    }

    #[test]
    fn lifetimes_have_bounds() {
        assert_eq!(
            taken::<Lifetime>(&["1h", "10s", "7d", "9s", "8d", "0", "3600"]),
            [true, true, true, false, false, false, false]
        );
    }
}
