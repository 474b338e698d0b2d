//! The paths that may pass; all others are refused. The path that goes upstream is a
//! constant of this table, never the client's own text.

use axum::http::Method;

/// The encoding of the messages of a Hrana endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encoding {
    Json,
    Protobuf,
}

/// What a path is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// `POST` runs statements, `GET` opens a WebSocket.
    Root,
    /// Hrana 1 over HTTP: single requests, without streams.
    Stateless,
    /// Asks which versions are supported; clients do so without a token.
    Version,
    /// Hrana 2 and 3: streams that continue from request to request.
    Pipeline(Encoding),
    /// The same, with an answer that arrives row by row.
    Cursor(Encoding),
    /// A call of an embedded replica that copies the log.
    Replication {
        /// The answer continues for as long as the client listens.
        follows: bool,
    },
    /// A call of an embedded replica that runs statements on the primary.
    Proxy(ProxyCall),
}

/// The calls that the official client makes. The gate refuses the others of the service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyCall {
    Execute,
    Describe,
}

impl Endpoint {
    /// Whether requests, answers and errors are gRPC.
    pub fn is_grpc(self) -> bool {
        matches!(self, Self::Replication { .. } | Self::Proxy(_))
    }

    /// Whether the endpoint supports `method`.
    pub fn takes(self, method: &Method) -> bool {
        match self {
            Self::Root => method == Method::POST || method == Method::GET,
            Self::Version => method == Method::GET,
            _ => method == Method::POST,
        }
    }
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place<'a> {
    /// The server's own path.
    pub path: &'static str,
    pub endpoint: Endpoint,
    /// The `NS` of `/dev/NS/`, as it is in the path.
    pub namespace: Option<&'a str>,
}

/// Every path of the server that clients use. It leaves out `/dump`, `/console`,
/// `/NS/listen`, `/v1` and `/v1/jobs`, and `Proxy/StreamExec`, which only the server's own
/// replicas call.
const PASSED: [(&str, Endpoint); 17] = [
    ("/", Endpoint::Root),
    ("/v1/execute", Endpoint::Stateless),
    ("/v1/batch", Endpoint::Stateless),
    ("/v2", Endpoint::Version),
    ("/v2/pipeline", Endpoint::Pipeline(Encoding::Json)),
    ("/v3", Endpoint::Version),
    ("/v3/pipeline", Endpoint::Pipeline(Encoding::Json)),
    ("/v3/cursor", Endpoint::Cursor(Encoding::Json)),
    ("/v3-protobuf", Endpoint::Version),
    ("/v3-protobuf/pipeline", Endpoint::Pipeline(Encoding::Protobuf)),
    ("/v3-protobuf/cursor", Endpoint::Cursor(Encoding::Protobuf)),
    ("/wal_log.ReplicationLog/Hello", Endpoint::Replication { follows: false }),
    ("/wal_log.ReplicationLog/BatchLogEntries", Endpoint::Replication { follows: false }),
    ("/wal_log.ReplicationLog/Snapshot", Endpoint::Replication { follows: false }),
    ("/wal_log.ReplicationLog/LogEntries", Endpoint::Replication { follows: true }),
    ("/proxy.Proxy/Execute", Endpoint::Proxy(ProxyCall::Execute)),
    ("/proxy.Proxy/Describe", Endpoint::Proxy(ProxyCall::Describe)),
];

/// Where a request for `path` goes; `None` if it may not pass. The path is compared as it
/// is in the request line: nothing is decoded, so `%2e`, `..` and `//` match nothing.
pub fn find(path: &str) -> Option<Place<'_>> {
    let exact = |wanted: &str| PASSED.into_iter().find(|(path, _)| *path == wanted);
    if let Some(rest) = path.strip_prefix("/dev/") {
        let (namespace, inner) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        let (path, endpoint) = exact(inner).filter(|(_, endpoint)| !endpoint.is_grpc())?;
        return Some(Place { path, endpoint, namespace: Some(namespace) });
    }
    let (path, endpoint) = exact(path)?;
    Some(Place { path, endpoint, namespace: None })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_path_of_the_table_passes_and_loses_its_prefix() {
        for (path, endpoint) in PASSED {
            let plain = Place { path, endpoint, namespace: None };
            assert_eq!(find(path), Some(plain), "{path}");
            let within = format!("/dev/shop{path}");
            let expected = Place { path, endpoint, namespace: Some("shop") };
            let expected = (!endpoint.is_grpc()).then_some(expected);
            assert_eq!(find(&within), expected, "{within}");
        }
        assert_eq!(find("/dev/shop").map(|place| place.path), Some("/"));
    }

    #[test]
    fn a_path_that_is_not_in_the_table_does_not_pass() {
        for path in [
            "",
            "*",
            "//",
            "/dump",
            "/console",
            "/v1",
            "/v1/jobs",
            "/v2/",
            "/v2/pipeline/",
            "/V2/pipeline",
            "/v2//pipeline",
            "/v2/./pipeline",
            "/v2/../v2/pipeline",
            "/v2/%70ipeline",
            "/%2e%2e/v2/pipeline",
            "/dev",
            "/dev/a/v2/pipeline/",
            "/dev/a/dump",
            "/dev/a/dev/b/v2/pipeline",
            "/dev/a/../b/v2/pipeline",
            "/dev//dev/a/v2/pipeline",
            "/v1/namespaces/a/create",
            "/beta/listen",
            "/proxy.Proxy/StreamExec",
            "/proxy.Proxy/Disconnect",
            "/wal_log.ReplicationLog/Other",
            "/health",
            "/metrics",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn only_constants_go_upstream(path in "(/|/dev/)?[a-z0-9/.%_-]{0,40}") {
            if let Some(place) = find(&path) {
                prop_assert!(PASSED.iter().any(|(known, _)| *known == place.path));
                prop_assert!(path.ends_with(place.path) || place.path == "/");
            }
        }
    }
}
