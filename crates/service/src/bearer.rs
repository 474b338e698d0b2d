//! The token of a request, in a header of the form `Bearer TOKEN` (RFC 6750).

use axum::http::{HeaderMap, HeaderName};

/// Why a header does not hold exactly one bearer token. No message repeats any of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotBearer {
    /// The header is there more than once, so that two readers could read two tokens.
    #[error("the request has several tokens")]
    Several,
    /// Another scheme, no scheme, or no token.
    #[error("the token is not sent as `Bearer TOKEN`")]
    Form,
    /// The scheme is right, but what follows it is not one word.
    #[error("the token is not sent as `Bearer TOKEN`")]
    Words,
}

/// The token in the header `name`; `None` without the header.
///
/// # Errors
/// [`NotBearer`].
pub fn token<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, NotBearer> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(NotBearer::Several);
    }
    let words = value.to_str().ok().and_then(|text| text.split_once(' '));
    match words {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => {
            if token.contains(char::is_whitespace) {
                return Err(NotBearer::Words);
            }
            Ok(Some(token))
        }
        _ => Err(NotBearer::Form),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::AUTHORIZATION;

    use super::*;

    fn of(values: &[&'static str]) -> Result<Option<String>, NotBearer> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        Ok(token(&headers, &AUTHORIZATION)?.map(str::to_owned))
    }

    #[test]
    fn a_request_has_at_most_one_bearer_token() {
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["Bearer x.y.z"]), Ok(Some("x.y.z".to_owned())));
        assert_eq!(of(&["bearer x"]), Ok(Some("x".to_owned())));
        for bad in ["x", "Basic x", "Bearer ", "Bearer", ""] {
            assert_eq!(of(&[bad]), Err(NotBearer::Form), "{bad}");
        }
        for bad in ["Bearer x y", "Bearer  x"] {
            assert_eq!(of(&[bad]), Err(NotBearer::Words), "{bad}");
        }
        assert_eq!(of(&["Bearer x", "Bearer x"]), Err(NotBearer::Several));
    }
}
