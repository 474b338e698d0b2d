//! HTTP to a server.
//!
//! `NAME.localhost` is never looked up: the connection goes to the loopback address, and the `Host`
//! header contains the namespace.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use crate::endpoint::{Dial, Endpoint};
use crate::error::{Error, Said};
use demo_sqld::namespace::NamespaceName;

/// Longer than any answer of a healthy local server takes, and short enough for a user to wait.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// A client for loopback: no TLS, no proxy, no redirects, a deadline on every request.
///
/// # Errors
/// When the TLS backend cannot be set up.
pub fn loopback_client() -> Result<reqwest::Client, Error> {
    reqwest::Client::builder()
        .no_proxy()
        // The machine's trusted roots are not needed here and take long to load.
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .timeout(REQUEST_DEADLINE)
        .build()
        .map_err(Error::HttpClient)
}

/// A client for `endpoint` wherever it is, which honours the proxy settings of the environment.
///
/// # Errors
/// When the TLS backend cannot be set up.
pub fn remote_client(endpoint: &Endpoint) -> Result<reqwest::Client, Error> {
    let resolver = Labelled { host: endpoint.host().to_owned(), dial: endpoint.dial().clone() };
    reqwest::Client::builder()
        .dns_resolver(Arc::new(resolver))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(60))
        .build()
        .map_err(Error::HttpClient)
}

/// Resolves a host that begins with the name of a namespace as the server's own host, since DNS may
/// not know the former. Other hosts, such as that of a proxy, are resolved as they are.
struct Labelled {
    host: String,
    dial: Dial,
}

impl Resolve for Labelled {
    fn resolve(&self, name: Name) -> Resolving {
        // The name comes in lower case, whatever the URL has.
        let own = name.as_str().eq_ignore_ascii_case(&self.host);
        let host = match &self.dial {
            Dial::Address(address) if own => {
                let addresses: Addrs = Box::new(std::iter::once(*address));
                return Box::pin(async { Ok(addresses) });
            }
            Dial::Name(host, _) if own => host.clone(),
            _ => name.as_str().to_owned(),
        };
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = lookup_host((host, 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The `Host` header that selects `namespace` (the first label decides).
pub fn host_header(namespace: Option<&NamespaceName>, address: SocketAddr) -> String {
    match namespace {
        Some(name) => format!("{name}.localhost:{}", address.port()),
        None => format!("localhost:{}", address.port()),
    }
}

/// A complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// Sends `request` and reads the answer.
    ///
    /// # Errors
    /// [`Error::Unreachable`] or [`Error::Silent`], with `base` as the server.
    pub async fn to(request: reqwest::RequestBuilder, base: &str) -> Result<Self, Error> {
        let attempt = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>(Self { status, body: response.text().await? })
        };
        attempt.await.map_err(|error| {
            let server = base.to_owned();
            if error.is_timeout() {
                return Error::Silent { server };
            }
            Error::Unreachable { server, source: Said(root(&error)).into() }
        })
    }

    /// The body on one line, truncated for a report.
    pub fn excerpt(&self) -> String {
        excerpt(&self.body)
    }
}

/// `text` on one line, truncated to 200 characters.
pub fn excerpt(text: &str) -> String {
    const LONGEST: usize = 200;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST).chain(['…']).collect()
}

/// The message of the innermost cause; those around it only say that a request failed.
fn root(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}
