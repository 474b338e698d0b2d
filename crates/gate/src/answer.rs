//! The gate's own answers, in the form that the client understands.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::grpc;
use super::paths::Endpoint;
use demo_service::problem::Problem;

/// Problem details (RFC 9457) that are also a Hrana error: `@libsql/client`
/// shows `message` and `code`; the `libsql` crate and older clients show `error`.
#[derive(Serialize)]
struct Said<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    message: &'a str,
    error: &'a str,
}

/// The answer with `problem` to a request for `endpoint` with `headers`.
pub fn refuse(problem: Problem, endpoint: Option<Endpoint>, headers: &HeaderMap) -> Response {
    if endpoint.is_some_and(Endpoint::is_grpc) {
        return grpc::refusal(&problem);
    }
    let status = problem.status();
    let detail = problem.detail().to_owned();
    let said = Said {
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: &detail,
        code: problem.code(),
        message: &detail,
        error: &detail,
    };
    let body = serde_json::to_vec(&said).unwrap_or_default();
    let mut response = problem.into_response();
    // `@libsql/client` reads an error only if its type is exactly `application/json`.
    let wanted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let kind = if wanted.into_iter().any(|kinds| kinds.contains("application/problem+json")) {
        "application/problem+json"
    } else {
        "application/json"
    };
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    *response.body_mut() = Body::from(body);
    response
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    async fn said(accept: Option<&'static str>) -> (String, Value) {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        }
        let problem = Problem::unauthorized("token-expired", "the token has expired");
        let response = refuse(problem, None, &headers);
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        (kind, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn the_body_is_problem_details_and_a_hrana_error() {
        let (kind, body) = said(Some("*/*")).await;
        assert_eq!(kind, "application/json");
        assert_eq!(body["message"], "the token has expired");
        assert_eq!(body["code"], "token-expired");
        let (kind, body) = said(Some("application/problem+json, */*;q=0.1")).await;
        assert_eq!(kind, "application/problem+json");
        assert_eq!(body["detail"], "the token has expired");
        assert_eq!(body["status"], 401);
        assert_eq!(said(None).await.0, "application/json");
    }
}
