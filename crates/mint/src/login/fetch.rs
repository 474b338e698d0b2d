//! Requests to the issuer, with a deadline, without redirects, and with a size limit.

use std::time::Duration;

use reqwest::{RequestBuilder, Url};

use crate::values::is_loopback;
use demo_base::error::Result;

/// The longest answer that is read, in bytes.
const LONGEST: usize = 64 * 1024;
const DEADLINE: Duration = Duration::from_secs(5);
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// Why there is no usable answer. The texts are for the log and contain no URL, since a URL
/// may have a key in its query.
#[derive(Debug, Eq, PartialEq)]
pub enum NoAnswer {
    /// The issuer cannot be reached, or does not answer in time.
    Away(String),
    /// A status other than 200.
    Status(u16),
    /// The answer is too long.
    TooLong,
}

/// A client for the issuer at `url`.
///
/// # Errors
/// When the TLS backend cannot be set up.
pub fn client(url: &Url) -> Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        // A redirect could lead to a server that the operator has not configured.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_DEADLINE)
        .timeout(DEADLINE);
    let builder = if is_loopback(url) { builder.no_proxy() } else { builder };
    Ok(builder.build()?)
}

/// The body of an answer with status 200.
///
/// # Errors
/// See [`NoAnswer`].
pub async fn body(request: RequestBuilder) -> Result<Vec<u8>, NoAnswer> {
    let away = |error: reqwest::Error| NoAnswer::Away(root(&error.without_url()));
    let mut response = request.send().await.map_err(away)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(NoAnswer::Status(response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(away)? {
        if body.len() + chunk.len() > LONGEST {
            return Err(NoAnswer::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn root(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}
