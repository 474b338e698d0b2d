//! Plain HTTP to a server on this machine.
//!
//! `NAME.localhost` is never looked up: the connection goes to the loopback address, and the `Host`
//! header contains the namespace.

use std::net::SocketAddr;
use std::time::Duration;

use demo_base::error::{Fault, Result};
use demo_sqld::namespace::NamespaceName;

/// Longer than any answer of a healthy local server takes, and short enough for a user to wait.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// A client for loopback: no TLS, no proxy, no redirects, a deadline on every request.
///
/// # Errors
/// When the TLS backend cannot be set up.
pub fn loopback_client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        // The machine's trusted roots are not needed here and take long to load.
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .timeout(REQUEST_DEADLINE)
        .build()?)
}

/// A client for other servers, which honours the proxy settings of the environment.
///
/// # Errors
/// When the TLS backend cannot be set up.
pub fn remote_client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(60))
        .build()?)
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
    /// Exit 3 when the server at `base` cannot be reached or does not answer in time.
    pub async fn to(request: reqwest::RequestBuilder, base: &str) -> Result<Self> {
        let attempt = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>(Self { status, body: response.text().await? })
        };
        attempt.await.map_err(|error| {
            if error.is_timeout() {
                Fault::unreachable(format!("{base} did not answer in time")).into()
            } else {
                nothing_answers(base, error).into()
            }
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

/// The fault for a connection that could not be opened.
pub fn nothing_answers(url: &str, error: impl std::error::Error) -> Fault {
    let mut root: &dyn std::error::Error = &error;
    while let Some(source) = root.source() {
        root = source;
    }
    Fault::unreachable(format!("cannot connect to {url}"))
        .because(root.to_string())
        .hint("start a stack with `demo up`, or pass the URL of a server with `--url`")
}
