//! Makes the headers of requests to the server and of answers to the client.
//!
//! Only the client's headers that are listed here pass: the server trusts several headers
//! (`x-proxy-authorization`, `libsql-proxied`, `x-namespace-bin`), and a list of allowed
//! headers cannot overlook one of them.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::namespace_selector;
use super::paths::Endpoint;
use demo_service::bearer;
use demo_sqld::namespace::NamespaceName;

/// The header in which embedded replicas send their token; the server prefers it to
/// `authorization`.
pub const GRPC_TOKEN: HeaderName = HeaderName::from_static("x-authorization");

/// Headers of requests that pass.
const PASSED: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::USER_AGENT,
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
    HeaderName::from_static("x-libsql-client-version"),
];
/// The session token that a replica got from its handshake. The server accepts it in any
/// namespace of the same configuration, so it proves nothing; the token must cover each call.
const SESSION: HeaderName = HeaderName::from_static("x-session-token");

/// Headers of answers that concern one connection only (RFC 9110, 7.6.1), or
/// that the gate sets itself.
const DROPPED: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    // The server sets it for its own CORS headers, which do not pass.
    header::VARY,
];

/// The headers of a request for `namespace`, with exactly one namespace and one token.
///
/// They include `accept-encoding` only if the gate does not read the answer.
pub fn request(
    client: &HeaderMap,
    endpoint: Endpoint,
    namespace: &NamespaceName,
    token: &str,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    for name in PASSED {
        if let Some(value) = client.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if let (Endpoint::Root | Endpoint::Stateless, Some(encodings)) =
        (endpoint, client.get(header::ACCEPT_ENCODING))
    {
        headers.insert(header::ACCEPT_ENCODING, encodings.clone());
    }
    if let (Endpoint::Replication { .. }, Some(session)) = (endpoint, client.get(&SESSION)) {
        headers.insert(SESSION, session.clone());
    }
    // The token has been verified, so it has only characters that a header may contain.
    if let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {token}")) {
        bearer.set_sensitive(true);
        if endpoint.is_grpc() {
            headers.insert(GRPC_TOKEN, bearer.clone());
        }
        headers.insert(header::AUTHORIZATION, bearer);
    }
    headers.insert(namespace_selector::BINARY, namespace_selector::encode(namespace));
    headers
}

/// Removes the headers of an answer that must not reach the client.
pub fn answer(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let dropped = |name: &&HeaderName| {
        let cors = name.as_str().starts_with("access-control-");
        cors || DROPPED.contains(name) || named.contains(name)
    };
    let dropped: Vec<HeaderName> = headers.keys().filter(dropped).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
}

/// The token of a request; `None` when it has none.
///
/// # Errors
/// When it has several tokens, or one that is not a bearer token.
pub fn token(headers: &HeaderMap, endpoint: Endpoint) -> Result<Option<&str>, String> {
    let of = |name| bearer::token(headers, name).map_err(|wrong| wrong.to_string());
    let usual = of(&header::AUTHORIZATION)?;
    if !endpoint.is_grpc() {
        return Ok(usual);
    }
    match (usual, of(&GRPC_TOKEN)?) {
        (Some(one), Some(other)) if one != other => {
            Err("the request has two different tokens".to_owned())
        }
        (one, other) => Ok(other.or(one)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::paths::{Encoding, ProxyCall};
    use super::*;

    const PIPELINE: Endpoint = Endpoint::Pipeline(Encoding::Json);
    const PROXY: Endpoint = Endpoint::Proxy(ProxyCall::Execute);

    fn head(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn one_namespace_one_token_and_no_header_that_the_server_trusts() {
        let client = head(&[
            ("host", "b.localhost"),
            ("x-namespace", "b"),
            ("x-namespace-bin", "Yg"),
            ("x-namespace-bin", "Yg"),
            ("x-proxy-authorization", "\"FullAccess\""),
            ("libsql-proxied", "true"),
            ("x-authorization", "Bearer other"),
            ("authorization", "Bearer other"),
            ("forwarded", "host=b"),
            ("x-forwarded-host", "b.localhost"),
            ("connection", "x-namespace-bin"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("cookie", "c=1"),
            ("accept-encoding", "gzip"),
            ("x-session-token", "s"),
            ("origin", "http://x"),
            ("content-type", "application/json"),
        ]);
        let sent = request(&client, PIPELINE, &"a".parse().unwrap(), "token");
        let mut names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "content-type", "x-namespace-bin"]);
        assert_eq!(sent["x-namespace-bin"], "YQ");
        assert_eq!(sent["authorization"], "Bearer token");
        let replication = Endpoint::Replication { follows: false };
        let sent = request(&client, replication, &"a".parse().unwrap(), "token");
        assert_eq!(sent["x-session-token"], "s");
        assert_eq!(sent["x-authorization"], "Bearer token");
    }

    #[test]
    fn answers_lose_hop_by_hop_and_cors_headers() {
        let mut headers = head(&[
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "x"),
            ("vary", "origin"),
            ("content-type", "application/json"),
            ("grpc-status", "0"),
        ]);
        answer(&mut headers);
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "grpc-status"]);
    }

    #[test]
    fn a_request_has_at_most_one_bearer_token() {
        let usual = |value| {
            token(&head(&[("authorization", value)]), PIPELINE).map(|it| it.map(str::to_owned))
        };
        assert_eq!(usual("Bearer x.y.z"), Ok(Some("x.y.z".to_owned())));
        assert_eq!(usual("bEARER x"), Ok(Some("x".to_owned())));
        for bad in ["x", "Basic x", "Bearer x y", "Bearer  x", ""] {
            assert!(usual(bad).is_err(), "{bad}");
        }
        assert_eq!(token(&head(&[]), PIPELINE), Ok(None));
        let two = head(&[("authorization", "Bearer x"), ("authorization", "Bearer x")]);
        assert!(token(&two, PIPELINE).is_err());
        let grpc = head(&[("authorization", "Bearer x"), ("x-authorization", "Bearer y")]);
        assert!(token(&grpc, PROXY).is_err());
        assert_eq!(token(&grpc, PIPELINE), Ok(Some("x")));
        let grpc = head(&[("x-authorization", "Bearer y")]);
        assert_eq!(token(&grpc, PROXY), Ok(Some("y")));
        assert_eq!(token(&grpc, PIPELINE), Ok(None));
    }

    proptest! {
        /// Whatever headers a client sends, only those in the list go upstream.
        #[test]
        fn nothing_unknown_passes(names in proptest::collection::vec("[a-z][a-z-]{0,20}", 0..12)) {
            let mut client = HeaderMap::new();
            for name in &names {
                let name: HeaderName = name.parse().unwrap();
                client.append(name, HeaderValue::from_static("x"));
            }
            let sent = request(&client, PROXY, &"a".parse().unwrap(), "t");
            for name in sent.keys() {
                let ours = [header::AUTHORIZATION, GRPC_TOKEN, namespace_selector::BINARY].contains(name);
                prop_assert!(ours || PASSED.contains(name), "{name}");
            }
        }
    }
}
