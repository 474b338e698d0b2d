//! gRPC by hand, over HTTP/1.1: a frame is a flag, a length and a message.
//!
//! The gRPC port answers HTTP/1.1 too; what is lost there are the trailers, and
//! with them the status of a call that succeeded. The HTTP port speaks
//! grpc-web, which sends the trailers as a frame with the highest bit of the
//! flag set.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};

use crate::{Error, ProbeContext};
use demo_base::error::Result;
use demo_base::hex;
use demo_sqld::namespace::NamespaceName;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;

/// Marks a frame that holds trailers.
const TRAILERS: u8 = 0x80;
/// `handshake_version` 1.
const HELLO: [u8; 2] = [0x08, 0x01];
/// From the first frame on.
const FROM_THE_START: [u8; 2] = [0x08, 0x00];

/// Somebody who calls the services that replicas use.
pub(in crate::entries) struct Caller {
    http: reqwest::Client,
    base: String,
    content_type: &'static str,
    metadata: Vec<(&'static str, String)>,
    client_id: Option<String>,
}

impl Caller {
    /// On the gRPC port of the primary.
    pub fn at_grpc_port(context: &ProbeContext<'_>, stack: &EphemeralStack) -> Result<Self> {
        Ok(Self::over_grpc(context, stack.address("primary", Interface::Grpc)?))
    }

    /// On the HTTP port of the primary, which clients use.
    pub fn at_http_port(context: &ProbeContext<'_>, stack: &EphemeralStack) -> Result<Self> {
        Ok(Self::over_http(context, stack.address("primary", Interface::Http)?))
    }

    /// On a gRPC port, wherever it is.
    pub fn over_grpc(context: &ProbeContext<'_>, address: SocketAddr) -> Self {
        Self::at(context.http().clone(), format!("http://{address}"), "application/grpc")
    }

    /// On an HTTP port, wherever it is.
    pub fn over_http(context: &ProbeContext<'_>, address: SocketAddr) -> Self {
        Self::at(context.http().clone(), format!("http://{address}"), "application/grpc-web+proto")
    }

    /// On the gRPC port at `address`, with TLS.
    pub fn with_tls(http: reqwest::Client, address: SocketAddr) -> Self {
        Self::at(http, format!("https://{address}"), "application/grpc")
    }

    fn at(http: reqwest::Client, base: String, content_type: &'static str) -> Self {
        Self { http, base, content_type, metadata: Vec::new(), client_id: None }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((name, value.into()));
        self
    }

    /// The same for `namespace`.
    #[must_use]
    pub fn namespace(self, namespace: &NamespaceName) -> Self {
        self.with("x-namespace-bin", STANDARD_NO_PAD.encode(namespace.as_str()))
    }

    /// The same with `token`.
    #[must_use]
    pub fn token(self, token: &SecretString) -> Self {
        self.with(AUTHORIZATION.as_str(), format!("Bearer {}", token.expose_secret()))
    }

    /// Uses the client id `id` instead of a new one for each statement. The server keeps
    /// one connection for each id, whatever the namespace.
    #[must_use]
    pub fn client_id(mut self, id: &str) -> Self {
        self.client_id = Some(id.to_owned());
        self
    }

    /// Calls `method` (`/package.Service/Name`) with one message.
    ///
    /// # Errors
    /// When the connection breaks, which may be what a probe is after.
    pub async fn call(
        &self,
        method: &str,
        message: &[u8],
    ) -> std::result::Result<Reply, reqwest::Error> {
        let mut request = self.http.post(format!("{}{method}", self.base));
        request = request.header(CONTENT_TYPE, self.content_type);
        for (name, value) in &self.metadata {
            request = request.header(*name, value);
        }
        let response = request.body(frame(message)).send().await?;
        let http_status = response.status().as_u16();
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (code, message) = (header("grpc-status"), header("grpc-message"));
        let body = response.bytes().await?;
        Ok(Reply::new(http_status, code, message, &body))
    }

    /// The handshake of a replica.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn hello(&self) -> Result<Reply> {
        Ok(self.call("/wal_log.ReplicationLog/Hello", &HELLO).await?)
    }

    /// The handshake and, if it is granted, the log from its start; returns the last
    /// answer.
    ///
    /// # Errors
    /// When nothing answers.
    pub async fn copy_log(&self) -> Result<Reply> {
        let hello = self.hello().await?;
        let Some(session) = hello.text(4).filter(|_| hello.granted()) else {
            return Ok(hello);
        };
        let method = "/wal_log.ReplicationLog/BatchLogEntries";
        let mut metadata = self.metadata.clone();
        metadata.push(("x-session-token", session));
        let caller = Self {
            http: self.http.clone(),
            base: self.base.clone(),
            content_type: self.content_type,
            metadata,
            client_id: None,
        };
        Ok(caller.call(method, &FROM_THE_START).await?)
    }

    /// Runs one statement as a replica does for its clients.
    ///
    /// # Errors
    /// When the connection breaks, which may be what a probe is after.
    pub async fn execute(&self, sql: &str) -> Result<Reply> {
        let client = self.client_id.clone().map_or_else(new_client_id, Ok)?;
        let query = [field(1, sql.as_bytes()), field(2, &[])].concat();
        let program = field(1, &field(2, &query));
        let message = [field(1, client.as_bytes()), field(2, &program)].concat();
        Ok(self.call("/proxy.Proxy/Execute", &message).await?)
    }
}

/// A UUID, as every connection of a replica has one.
///
/// # Errors
/// When the system has no randomness.
pub(in crate::entries) fn new_client_id() -> Result<String> {
    let mut bytes = [0; 16];
    demo_base::random::fill(&mut bytes)?;
    Ok(hex::encode(&bytes))
}

/// What a call came to.
#[derive(Debug)]
pub(in crate::entries) struct Reply {
    http_status: u16,
    /// gRPC's status; 0 is success.
    pub code: Option<u32>,
    explanation: String,
    messages: Vec<Vec<u8>>,
}

impl Reply {
    fn new(
        http_status: u16,
        code: Option<String>,
        explanation: Option<String>,
        body: &[u8],
    ) -> Self {
        let (mut code, mut explanation) = (code, explanation);
        let mut messages = Vec::new();
        for (flag, content) in frames(body) {
            if flag & TRAILERS == 0 {
                messages.push(content.to_vec());
                continue;
            }
            for line in String::from_utf8_lossy(content).lines() {
                match line.split_once(':') {
                    Some(("grpc-status", value)) => code = Some(value.trim().to_owned()),
                    Some(("grpc-message", value)) => explanation = Some(value.trim().to_owned()),
                    _ => {}
                }
            }
        }
        let code = match code {
            Some(text) => text.parse().ok(),
            // A message and no trailers: HTTP/1.1 without grpc-web.
            None => (!messages.is_empty()).then_some(0),
        };
        let explanation = explanation.unwrap_or_default().replace("%20", " ").replace("%60", "`");
        Self { http_status, code, explanation, messages }
    }

    /// Whether the call succeeded.
    pub fn granted(&self) -> bool {
        self.code == Some(0)
    }

    /// Whether any message holds `text`.
    pub fn holds(&self, text: &str) -> bool {
        let found = |bytes: &Vec<u8>| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        self.messages.iter().any(found)
    }

    /// Field `number` of the first message, where it is text.
    pub fn text(&self, number: u64) -> Option<String> {
        let mut rest = self.messages.first()?.as_slice();
        while !rest.is_empty() {
            let (key, after) = varint(rest)?;
            let (length, after) = varint(after)?;
            // Wire type 0 is a number, 2 bytes with their length; no other occurs.
            rest = after;
            if key & 7 == 2 {
                let (content, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
                if key >> 3 == number {
                    return String::from_utf8(content.to_vec()).ok();
                }
                rest = after;
            }
        }
        None
    }

    /// The id of the log, from a handshake.
    ///
    /// # Errors
    /// When the handshake was refused.
    pub fn log_id(&self) -> Result<String, Error> {
        let id = self.text(3).filter(|_| self.granted());
        id.ok_or_else(|| Error::experiment_saw("no handshake", self.describe()))
    }

    /// The status in a word that is the same in every run.
    pub fn outcome(&self) -> String {
        match self.code {
            Some(0) => "success".to_owned(),
            Some(code) => format!("gRPC status {code}"),
            None => format!("HTTP {} without a gRPC status", self.http_status),
        }
    }

    /// Status, explanation and size, on one line.
    pub fn describe(&self) -> String {
        let bytes: usize = self.messages.iter().map(Vec::len).sum();
        let explanation = &self.explanation;
        format!("{}, {bytes} bytes in messages {explanation}", self.outcome())
    }
}

fn frame(message: &[u8]) -> Vec<u8> {
    // The messages of this module are short.
    let length = u32::try_from(message.len()).unwrap_or_default();
    [&[0], length.to_be_bytes().as_slice(), message].concat()
}

fn frames(mut body: &[u8]) -> Vec<(u8, &[u8])> {
    let mut all = Vec::new();
    while let Some(([flag, length @ ..], rest)) = body.split_first_chunk::<5>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((content, rest)) = rest.split_at_checked(length) else { break };
        all.push((*flag, content));
        body = rest;
    }
    all
}

/// A field with bytes; both numbers are small here, or take two bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        bytes.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap_or_default());
    bytes.extend_from_slice(content);
    bytes
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let message = [field(1, b"generation"), vec![0x28, 0x96, 0x01], field(3, b"log")].concat();
        let trailers = b"grpc-status:16\r\ngrpc-message:no%20token\r\n";
        let mut body = frame(&message);
        body.extend([TRAILERS, 0, 0, 0, 41]);
        body.extend_from_slice(trailers);
        let reply = Reply::new(200, None, None, &body);
        assert_eq!(reply.code, Some(16));
        assert_eq!(reply.text(3).as_deref(), Some("log"));
        assert!(reply.holds("generation") && reply.log_id().is_err());
        assert!(reply.describe().ends_with("no token"));
    }

    #[test]
    fn a_long_field_has_a_length_of_two_bytes() {
        let long = field(1, &[b'x'; 200]);
        assert_eq!(long[..3], [0x0a, 0xc8, 0x01]);
        assert_eq!(varint(&long[1..]).map(|(length, _)| length), Some(200));
    }

    #[test]
    fn without_trailers_a_message_is_success() {
        assert!(Reply::new(200, None, None, &frame(b"")).granted());
        assert!(!Reply::new(200, None, None, b"").granted());
    }
}
