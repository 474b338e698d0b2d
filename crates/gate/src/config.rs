//! The configuration file, `gate.yaml`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::Uri;
use axum::http::uri::{Authority, Scheme};
use serde::{Deserialize, Deserializer, de};

use crate::Error;
use demo_base::error::Result;
use demo_config::file as config_file;
use demo_config::values::{self, Origin};
use demo_service::connections::{ConnectionLimits, IdleTime};
use demo_service::listen::Listen;
use demo_service::tls;

/// The default port, which the example uses, too.
const PORT: u16 = 18090;

/// The configuration of the gate.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Address of a separate listener with `/metrics` and `/healthz`; none if not set.
    #[serde(alias = "adminListen")]
    pub admin: Option<SocketAddr>,
    /// Whether an address that is not loopback may be used without TLS.
    #[serde(default)]
    pub plaintext: bool,
    /// The host `NS.domain` names a namespace; in lower case.
    #[serde(default = "domain", deserialize_with = "a_domain")]
    pub domain: String,
    /// Takes every write.
    pub primary: Server,
    /// May take reads.
    #[serde(default)]
    pub replicas: Vec<Server>,
    /// File with the public keys of the mint: one or more SPKI PEM blocks; read again when it
    /// changes.
    pub keys: PathBuf,
    /// The value of `iss` that every token must have.
    pub issuer: Option<String>,
    /// Whether every token must have an expiry (`exp`).
    #[serde(default)]
    pub require_exp: bool,
    /// Whether every token must have an id (`jti`), so that it can be revoked.
    #[serde(default)]
    pub require_jti: bool,
    /// Subjects whose tokens need not name a namespace.
    #[serde(default)]
    pub operators: Vec<String>,
    /// File of revoked tokens, one `jti` per line; read again when it changes.
    pub revoked: Option<PathBuf>,
    /// Origins whose pages may use the gate.
    #[serde(default)]
    pub origins: Vec<Origin>,
    #[serde(default)]
    pub limits: Limits,
    /// The gate's certificate and key; read again when they change.
    pub tls: Option<tls::Files>,
}

/// Limits on what one client, or one namespace, may use.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// The largest request body, and the largest message of a WebSocket.
    #[serde(deserialize_with = "values::bytes")]
    pub body_bytes: usize,
    /// Time for the body of a request to arrive, and for the head of its answer.
    #[serde(deserialize_with = "values::duration")]
    pub timeout: Duration,
    /// Statements per second, and at once.
    pub per_namespace_per_second: NonZeroU32,
    pub burst: NonZeroU32,
    /// Requests of one namespace that a server executes at once.
    pub requests_per_namespace: NonZeroU32,
    /// How many of the server's 128 connections to databases one namespace may hold: open
    /// streams, cursors, client ids of embedded replicas.
    pub server_connections_per_namespace: NonZeroU32,
    pub web_sockets_per_namespace: NonZeroU32,
    /// How long a client may leave an answer unread.
    #[serde(deserialize_with = "values::duration")]
    pub unread_answer: Duration,
    /// How long a stream of a WebSocket may be idle.
    #[serde(deserialize_with = "values::duration")]
    pub idle_stream: Duration,
    /// WebSockets at a time.
    pub web_sockets: NonZeroU32,
    /// This and the next two are as in [`ConnectionLimits`], which has the defaults.
    pub connections: Option<NonZeroU32>,
    pub connections_per_address: Option<NonZeroU32>,
    pub idle: Option<IdleTime>,
}

impl Default for Limits {
    fn default() -> Self {
        let number = |number: u32| NonZeroU32::MIN.saturating_add(number - 1);
        Self {
            // A little more than the server itself accepts.
            body_bytes: 16 * 1024 * 1024,
            timeout: Duration::from_secs(30),
            // One client makes about 1,000, sixteen together a few thousand.
            per_namespace_per_second: number(10_000),
            burst: number(20_000),
            requests_per_namespace: number(4),
            server_connections_per_namespace: number(32),
            web_sockets_per_namespace: number(128),
            unread_answer: Duration::from_secs(30),
            idle_stream: Duration::from_secs(30),
            web_sockets: number(1024),
            connections: None,
            connections_per_address: None,
            idle: None,
        }
    }
}

/// `http://host:port` of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server(pub Authority);

impl<'de> Deserialize<'de> for Server {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || de::Error::custom("a server is http://HOST:PORT, without a path");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let bare = uri.path() == "/" && uri.query().is_none();
        let authority =
            uri.authority().filter(|it| !it.host().is_empty() && !it.as_str().contains('@'));
        match (uri.scheme() == Some(&Scheme::HTTP) && bare, authority) {
            (true, Some(authority)) => Ok(Self(authority.clone())),
            _ => Err(wrong()),
        }
    }
}

impl Config {
    /// Reads and checks the file `path`. `${NAME}` is replaced by the value in `variables`.
    /// Relative paths in the file are relative to its folder.
    ///
    /// # Errors
    /// When the file does not exist, with file and key when it is invalid, and
    /// [`Error::EmptyName`].
    pub fn load(path: &Path, variables: &BTreeMap<String, String>) -> Result<Self> {
        let mut config: Self = config_file::load(path, variables)?;
        if config.issuer.as_deref() == Some("") || config.operators.iter().any(String::is_empty) {
            return Err(Error::EmptyName { path: path.to_owned() }.into());
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in std::iter::once(&mut config.keys).chain(&mut config.revoked) {
            *file = folder.join(&*file);
        }
        if let Some(tls) = &mut config.tls {
            tls.resolve(folder);
        }
        Ok(config)
    }

    /// Where and how the gate listens.
    pub fn listener(&self) -> Listen {
        let Limits { connections, connections_per_address, idle, .. } = self.limits;
        Listen {
            address: self.listen,
            admin: self.admin,
            plaintext: self.plaintext,
            tls: self.tls.clone(),
            limits: ConnectionLimits::with(connections, connections_per_address, idle),
        }
    }
}

fn listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))
}

fn domain() -> String {
    "localhost".to_owned()
}

fn a_domain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?.to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let named = text.parse::<std::net::IpAddr>().is_err() && text.split('.').all(label);
    if named {
        Ok(text)
    } else {
        Err(de::Error::custom("a domain is a host name such as db.example.com, without a port"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "primary: http://127.0.0.1:18080\nkeys: jwt.pub\n";

    fn parse(more: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate.yaml");
        std::fs::write(&path, format!("{LEAST}{more}")).unwrap();
        let config = Config::load(&path, &BTreeMap::new()).map_err(|error| error.to_string());
        if let Ok(config) = &config {
            assert_eq!(config.keys, folder.path().join("jwt.pub"));
        }
        config
    }

    #[test]
    fn a_minimal_file_gets_the_defaults() {
        let config = parse("").unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:18090");
        assert_eq!(config.domain, "localhost");
        assert_eq!(config.limits.body_bytes, 16 << 20);
        assert_eq!(config.limits.timeout, Duration::from_secs(30));
        assert!(config.operators.is_empty() && config.origins.is_empty());
        assert!(!config.require_exp && !config.require_jti);
    }

    #[test]
    fn everything_can_be_set() {
        let config = parse(
            "listen: 127.0.0.1:0\ndomain: DB.Example.com\nreplicas: [http://10.0.0.2:8080]\n\
             issuer: mint\nrequireExp: true\nrequireJti: true\noperators: [ops]\norigins: [http://127.0.0.1:18093]\n\
             limits: {bodyBytes: 2MiB, timeout: 500ms, perNamespacePerSecond: 1, burst: 2, \
             connections: 100, connectionsPerAddress: 10, idle: 2s}\n\
             admin: 127.0.0.1:9\nplaintext: true\ntls: {certificate: c.pem, key: k.pem}\n",
        )
        .unwrap();
        assert!(config.require_exp && config.require_jti);
        assert_eq!(config.domain, "db.example.com");
        assert_eq!(config.replicas[0].0, "10.0.0.2:8080");
        assert_eq!(config.limits.body_bytes, 2 << 20);
        assert_eq!(config.limits.timeout, Duration::from_millis(500));
        let listen = config.listener();
        assert!(listen.plaintext && listen.admin.unwrap().port() == 9);
        let limits = listen.limits;
        assert_eq!((limits.connections, limits.per_address), (100, 10));
        assert_eq!(limits.idle, Duration::from_secs(2));
        assert!(config.tls.unwrap().key.ends_with("k.pem"));
    }

    #[test]
    fn an_invalid_value_is_an_error_that_names_its_key() {
        for (more, key) in [
            ("colour: red\n", "colour"),
            ("replicas: [https://a:1]\n", "replicas"),
            ("replicas: [http://a:1/x]\n", "replicas"),
            ("replicas: [\"http://u:p@a:1\"]\n", "replicas"),
            ("domain: 127.0.0.1\n", "domain"),
            ("domain: a..b\n", "domain"),
            ("origins: [\"*\"]\n", "origins"),
            ("origins: [http://a/]\n", "origins"),
            ("limits: {bodyBytes: 0}\n", "bodyBytes"),
            ("limits: {bodyBytes: 2GB}\n", "bodyBytes"),
            ("limits: {timeout: soon}\n", "timeout"),
            ("limits: {burst: 0}\n", "burst"),
            ("limits: {connections: 0}\n", "connections"),
            ("limits: {idle: 0s}\n", "idle"),
            ("admin: here\n", "admin"),
            ("limits: {requestsPerNamespace: 0}\n", "requestsPerNamespace"),
            ("limits: {unreadAnswer: never}\n", "unreadAnswer"),
            ("operators: [\"\"]\n", "operators"),
            ("issuer: \"\"\n", "issuer"),
            ("requireExp: soon\n", "requireExp"),
        ] {
            let error = parse(more).unwrap_err();
            assert!(error.contains(key), "{more}: {error}");
        }
    }
}
