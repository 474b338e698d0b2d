//! The server and namespace that a URL denotes, and the address to connect to.

use std::net::SocketAddr;

use http02::Uri;

use crate::error::Error;
use demo_sqld::namespace::NamespaceName;

/// A database of a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// The host and port in the URL and the `Host` header.
    authority: String,
    tls: bool,
    /// The path before that of the API, without a trailing slash.
    path: String,
    dial: Dial,
    namespace: Option<NamespaceName>,
}

/// Where the connector opens a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Dial {
    /// An address of this machine, which needs no lookup.
    Address(SocketAddr),
    /// A name that is resolved by DNS.
    Name(String, u16),
}

impl Endpoint {
    /// A server of this machine. Its URL has the host `NAMESPACE.localhost`, whose first label the
    /// server reads; plain Debian cannot resolve such names.
    pub fn local(address: SocketAddr, namespace: Option<&NamespaceName>) -> Self {
        Self {
            authority: crate::http::host_header(namespace, address),
            tls: false,
            path: String::new(),
            dial: Dial::Address(address),
            namespace: namespace.cloned(),
        }
    }

    /// The server that `url` names; a namespace becomes the first label of its host.
    ///
    /// # Errors
    /// [`Error::NoServerUrl`].
    pub fn parse(url: &str, namespace: Option<&NamespaceName>) -> Result<Self, Error> {
        let refuse = |why| Error::NoServerUrl { url: url.to_owned(), why, source: None };
        let url = url.trim_end_matches('/');
        let uri: Uri =
            url.parse().map_err(|error: http02::uri::InvalidUri| Error::NoServerUrl {
                url: url.to_owned(),
                why: "it is not a URL",
                source: Some(error.into()),
            })?;
        let (tls, default_port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https" | "libsql") => (true, 443),
            _ => return Err(refuse("it begins with neither http:// nor https://")),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(refuse("it contains a user name or password"));
        }
        if uri.query().is_some() {
            return Err(refuse("it has a query"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refuse("no host"))?;
        let port = uri.port_u16().unwrap_or(default_port);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let ip = bare.parse().ok();
        let labelled = match namespace {
            // An IP address cannot have labels in front; a server of this machine answers to
            // localhost.
            Some(name) if ip.is_some() => format!("{name}.localhost"),
            Some(name) => format!("{name}.{host}"),
            None => host.to_owned(),
        };
        let dial = match ip {
            Some(ip) => Dial::Address(SocketAddr::new(ip, port)),
            None if bare == "localhost" || bare.ends_with(".localhost") => {
                Dial::Address(SocketAddr::from(([127, 0, 0, 1], port)))
            }
            None => Dial::Name(host.to_owned(), port),
        };
        let authority = if port == default_port { labelled } else { format!("{labelled}:{port}") };
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { authority, tls, path, dial, namespace: namespace.cloned() })
    }

    /// The URL for the `libsql` crate.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority, self.path)
    }

    /// The address that is dialled, in words for a person.
    pub fn describe(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        match &self.dial {
            Dial::Address(address) => format!("{scheme}://{address}{}", self.path),
            Dial::Name(..) => self.url(),
        }
    }

    /// The host and port in the URL and the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The host in the URL, without the port.
    pub(crate) fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        }
    }

    /// Where a connection goes.
    pub fn dial(&self) -> &Dial {
        &self.dial
    }

    /// Whether the connection is encrypted.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The namespace that was asked for.
    pub fn namespace(&self) -> Option<&NamespaceName> {
        self.namespace.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, namespace: Option<&str>) -> (String, Dial) {
        let namespace = namespace.map(|name| name.parse().unwrap());
        let endpoint = Endpoint::parse(url, namespace.as_ref()).unwrap();
        (endpoint.url(), endpoint.dial().clone())
    }

    fn loopback(port: u16) -> Dial {
        Dial::Address(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    #[test]
    fn a_namespace_is_the_first_label() {
        assert_eq!(
            parse("http://127.0.0.1:8080", Some("shop")),
            ("http://shop.localhost:8080".into(), loopback(8080))
        );
        assert_eq!(
            parse("http://localhost:1/", Some("shop")),
            ("http://shop.localhost:1".into(), loopback(1))
        );
        assert_eq!(
            parse("https://db.example.com/x/", Some("shop")),
            ("https://shop.db.example.com/x".into(), Dial::Name("db.example.com".into(), 443))
        );
    }

    #[test]
    fn a_local_name_is_never_looked_up() {
        assert_eq!(
            parse("http://a.localhost:9", None),
            ("http://a.localhost:9".into(), loopback(9))
        );
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for url in ["", "localhost:8080", "ftp://x", "http://", "http://u:p@x", "http://x?y=1"] {
            let error = Endpoint::parse(url, None).unwrap_err().to_string();
            assert!(error.contains("is not the URL of a server"), "{url}: {error}");
        }
    }
}
