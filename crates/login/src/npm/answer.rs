//! Answers in JSON. A refusal is `{"error": MESSAGE, "code": CODE}`: npm shows
//! the message to its user.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::password::Busy;
use crate::store::StoreError;

/// A successful answer.
pub struct Answer(StatusCode, Value);

impl Answer {
    pub fn ok(body: Value) -> Self {
        Self(StatusCode::OK, body)
    }

    pub fn created(body: Value) -> Self {
        Self(StatusCode::CREATED, body)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.0, axum::Json(self.1)).into_response()
    }
}

/// A refusal, with the reason.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    detail: String,
    challenge: Option<&'static str>,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), challenge: None, retry_after: None }
    }

    fn challenging(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    fn later(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// With `Basic`, npm reports a wrong name or password.
    pub fn wrong_password() -> Self {
        let detail = "the user name or the password is wrong";
        Self::new(StatusCode::UNAUTHORIZED, "wrong-password", detail).challenging("Basic")
    }

    /// With `Bearer`, npm asks the user to log in again.
    pub fn no_login(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not-logged-in", detail).challenging("Bearer")
    }

    /// With `ipaddress`, npm names the address as the reason.
    pub fn wrong_address() -> Self {
        let detail = "this token may not be used from this address";
        Self::new(StatusCode::UNAUTHORIZED, "wrong-address", detail)
            .challenging("ipaddress, Bearer")
    }

    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub fn wrong_method(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", detail)
    }

    pub fn too_large(most: usize) -> Self {
        let detail = format!("the body is larger than {most} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    }

    pub fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "the body did not arrive in time")
    }

    pub fn too_often(wait: Duration) -> Self {
        let detail = format!("too many failed attempts; try again in {} s", seconds(wait));
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", detail).later(wait)
    }

    pub fn too_many_registrations(wait: Duration) -> Self {
        let detail = format!(
            "too many users were registered from this address; try again in {} s",
            seconds(wait)
        );
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-registrations", detail).later(wait)
    }

    /// Too many others already wait.
    pub fn crowded() -> Self {
        let detail = "too many logins at once; try again later";
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-logins", detail);
        refusal.later(Duration::from_secs(2))
    }

    #[cfg(test)]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        // The chain is for the operator; it contains no token or password.
        let cause = std::error::Error::source(&error).map(chain).unwrap_or_default();
        tracing::error!(cause, "{error}");
        match error {
            StoreError::Away(_) => {
                let detail = "the login database does not answer; try again later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "database-away", detail)
                    .later(Duration::from_secs(2))
            }
            StoreError::Damaged(_) => {
                let detail = "this server cannot read its login data; contact its operator";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "data-damaged", detail)
            }
        }
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let line = error.to_string();
        if !text.contains(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        next = error.source();
    }
    text
}

impl From<Busy> for Refusal {
    fn from(busy: Busy) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", format!("{busy}; try again later"))
            .later(Duration::from_secs(1))
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(cause = format!("{error:#}"), "a request failed");
        let detail = "an internal error occurred; the server's log has the details";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.detail, "code": self.code });
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(wait)));
        }
        response
    }
}

/// Whole seconds, rounded up, at least one.
fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_has_a_message_for_npm_and_no_cause() {
        let away = StoreError::Away(anyhow::anyhow!("10.0.0.1 refused the token"));
        let response = Refusal::from(away).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], "database-away");
        assert!(!body["error"].as_str().unwrap().contains("10.0.0.1"));
        let response = Refusal::from(Busy).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        let response = Refusal::wrong_password().into_response();
        assert_eq!(response.headers()["www-authenticate"], "Basic");
    }
}
