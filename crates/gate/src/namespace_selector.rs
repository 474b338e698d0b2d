//! Finds which namespace a request names: by host, by either of two headers, or by path.
//! If it uses several of these, they must agree.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use demo_sqld::namespace::NamespaceName;

/// The plain name. The server ignores it, but the `libsql` crate sends it.
pub const PLAIN: HeaderName = HeaderName::from_static("x-namespace");
/// The name in base64, which the server uses.
pub const BINARY: HeaderName = HeaderName::from_static("x-namespace-bin");

/// The server expects no padding, but some clients send it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a request names no valid namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Closed {
    #[error(
        "the request names no namespace: use the host NAMESPACE.{{domain}}, the header x-namespace or the path /dev/NAMESPACE/"
    )]
    NoName,
    #[error("the request names two different namespaces")]
    Disagreement,
    #[error("the {0} has no valid namespace name: a name has 1 to 63 of a-z, 0-9, - and _")]
    NotAName(&'static str),
    #[error("the {0} is present more than once")]
    Repeated(&'static str),
}

impl Closed {
    /// The error code for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoName => "namespace-missing",
            Self::Disagreement => "namespace-disagreement",
            Self::NotAName(_) => "namespace-invalid",
            Self::Repeated(_) => "header-repeated",
        }
    }
}

/// The namespace that the head of a request names. `in_path` is the `NS` of
/// `/dev/NS/`, `domain` the gate's domain in lower case.
///
/// # Errors
/// When it names none, several, or one that is not a valid name.
pub fn namespace(
    domain: &str,
    uri: &Uri,
    headers: &HeaderMap,
    in_path: Option<&str>,
) -> Result<NamespaceName, Closed> {
    let host = match single(headers, &header::HOST, "Host header")? {
        Some(value) => from_host(value.to_str().map_err(|_| Closed::NotAName("host"))?, domain)?,
        None => None,
    };
    // The authority of an HTTP/2 request, or of an HTTP/1 request in absolute form.
    let target = match uri.authority() {
        Some(authority) => from_host(authority.as_str(), domain)?,
        None => None,
    };
    let plain = match single(headers, &PLAIN, "header x-namespace")? {
        Some(value) => Some(name(value.as_bytes(), "header x-namespace")?),
        None => None,
    };
    let binary = match single(headers, &BINARY, "header x-namespace-bin")? {
        Some(value) => {
            let wrong = Closed::NotAName("header x-namespace-bin");
            let bytes = BASE64.decode(value.as_bytes()).map_err(|_| wrong)?;
            Some(name(&bytes, "header x-namespace-bin")?)
        }
        None => None,
    };
    let path = match in_path {
        Some(text) => Some(name(text.as_bytes(), "path")?),
        None => None,
    };
    let mut named = [host, target, plain, binary, path].into_iter().flatten();
    let first = named.next().ok_or(Closed::NoName)?;
    if named.all(|other| other == first) { Ok(first) } else { Err(Closed::Disagreement) }
}

/// `name` as the server reads it from [`BINARY`].
pub fn encode(name: &NamespaceName) -> HeaderValue {
    // Base64 has only characters that a header may contain.
    HeaderValue::try_from(BASE64.encode(name.as_str()))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    what: &'static str,
) -> Result<Option<&'a HeaderValue>, Closed> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(Closed::Repeated(what)) } else { Ok(first) }
}

fn name(bytes: &[u8], source: &'static str) -> Result<NamespaceName, Closed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Closed::NotAName(source))?;
    text.parse().map_err(|_| Closed::NotAName(source))
}

/// The `NS` of `NS.domain`, with or without a port. The domain alone, addresses and
/// other hosts name no namespace. Hosts are case-insensitive (RFC 9110, 4.2.3).
fn from_host(host: &str, domain: &str) -> Result<Option<NamespaceName>, Closed> {
    let wrong = Closed::NotAName("host");
    if host.bytes().any(|byte| !byte.is_ascii_graphic() || b"@/\\?#%,".contains(&byte)) {
        return Err(wrong);
    }
    if host.starts_with('[') {
        return Ok(None);
    }
    let bare = match host.split_once(':') {
        Some((bare, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => bare,
        Some(_) => return Err(wrong),
        None => host,
    };
    let bare = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
    match bare.strip_suffix(domain).and_then(|label| label.strip_suffix('.')) {
        Some(label) => name(label.as_bytes(), "host").map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
