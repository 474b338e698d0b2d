//! Values that several configuration files have. No message repeats a value.

use std::time::Duration;

use bytesize::ByteSize;
use http::HeaderValue;
use serde::{Deserialize, Deserializer, de};
use url::Url;

/// An origin of web pages, as browsers send it: `https://app.example.com`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct Origin(pub HeaderValue);

impl TryFrom<String> for Origin {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let message = "an origin has scheme, host and port, as in https://app.example.com, \
                       without a trailing slash; `*` is not allowed";
        let url = Url::parse(&text).map_err(|_| message)?;
        let same = url.origin().ascii_serialization() == text;
        if !matches!(url.scheme(), "http" | "https") || !same {
            return Err(message);
        }
        HeaderValue::try_from(text).map(Self).map_err(|_| message)
    }
}

/// Reads a duration such as `500ms`, `30s` or `90days`, which must not be zero.
///
/// # Errors
/// When it is not such a duration.
pub fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let found = humantime::parse_duration(&text).ok().filter(|found| !found.is_zero());
    found.ok_or_else(|| de::Error::custom("a duration is written as 500ms, 30s, 12h or 90days"))
}

/// Like [`duration`], for a key that may be absent.
///
/// # Errors
/// As [`duration`].
pub fn optional_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration(from).map(Some)
}

/// Reads a size such as `10MiB`, `512KiB` or a number of bytes, from 1 byte to 1 GiB.
///
/// # Errors
/// When it is not such a size.
pub fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let wrong = || de::Error::custom("a size is a number of bytes, or as in 512KiB; at most 1GiB");
    let size = ByteSize::deserialize(from).map_err(|_| wrong())?;
    let size = usize::try_from(size.as_u64()).map_err(|_| wrong())?;
    if (1..=1 << 30).contains(&size) { Ok(size) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        let is_one = |text: &str| Origin::try_from(text.to_owned()).is_ok();
        for good in ["http://127.0.0.1:18093", "https://a.example", "http://[::1]:1"] {
            assert!(is_one(good), "{good}");
        }
        for bad in [
            "*",
            "null",
            "a.example",
            "https://a.example/",
            "https://a.example:443",
            "https://A.example",
            "https://u@a.example",
            "ftp://a.example",
            "https://a.example/x",
        ] {
            assert!(!is_one(bad), "{bad}");
        }
    }

    #[test]
    fn a_size_has_a_unit_or_none() {
        let size = |json: &str| bytes(&mut serde_json::Deserializer::from_str(json)).ok();
        assert_eq!(size("5"), Some(5));
        assert_eq!(size("\"2MiB\""), Some(2 << 20));
        assert_eq!(size("\"512 KiB\""), Some(512 << 10));
        for bad in ["0", "-1", "\"2GiB\"", "\"much\"", "\"\"", "1.5", "null"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_duration_is_not_zero() {
        let span = |json: &str| duration(&mut serde_json::Deserializer::from_str(json)).ok();
        assert_eq!(span("\"500ms\""), Some(Duration::from_millis(500)));
        assert_eq!(span("\"90days\""), Some(Duration::from_secs(90 * 86_400)));
        for bad in ["\"0s\"", "\"5\"", "5", "\"soon\""] {
            assert_eq!(span(bad), None, "{bad}");
        }
    }
}
