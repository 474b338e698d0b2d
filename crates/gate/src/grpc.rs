//! The calls of embedded replicas: gRPC-web, as the HTTP port of the server supports it.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};

use super::message::Refusal;
use super::protobuf;
use demo_base::hex;
use demo_service::problem::Problem;
use demo_sqld::namespace::NamespaceName;

/// The server's answers have this content type, too.
const CONTENT_TYPE: &str = "application/grpc-web+proto";
/// A frame that holds an uncompressed message.
const MESSAGE: u8 = 0;
/// A frame that holds the trailers.
const TRAILERS: u8 = 0x80;

/// Whether the body is binary gRPC-web. No embedded replica uses the other forms (text,
/// gRPC over HTTP/2).
pub fn is_web(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let kind = kinds.next().and_then(|kind| kind.to_str().ok());
    let known = matches!(kind, Some("application/grpc-web" | CONTENT_TYPE));
    known && kinds.next().is_none()
}

/// The content type of a request to an unknown path, if it is a gRPC call.
pub fn unknown_call(headers: &HeaderMap) -> Option<HeaderValue> {
    let kind = headers.get(header::CONTENT_TYPE)?;
    let text = kind.to_str().ok()?;
    text.starts_with("application/grpc").then(|| kind.clone())
}

/// The refusal of a body that is not one message, or has not exactly one client id.
pub const NOT_ONE_MESSAGE: Refusal =
    Refusal::Malformed("the body is not a single gRPC message of this call");

/// The message of a request.
///
/// # Errors
/// [`NOT_ONE_MESSAGE`], unless the body is exactly one uncompressed frame.
pub fn message(body: &[u8]) -> Result<&[u8], Refusal> {
    let ([flag, length @ ..], message) = body.split_first_chunk::<5>().ok_or(NOT_ONE_MESSAGE)?;
    let whole = usize::try_from(u32::from_be_bytes(*length)) == Ok(message.len());
    (*flag == MESSAGE && whole).then_some(message).ok_or(NOT_ONE_MESSAGE)
}

/// A frame whose content comes in parts.
fn frame(flag: u8, parts: &[&[u8]]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = BytesMut::with_capacity(5 + length);
    bytes.put_u8(flag);
    // The limit on bodies is far below what a u32 can count.
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    for part in parts {
        bytes.put_slice(part);
    }
    bytes.freeze()
}

/// A `Proxy` call: its client id, and all other fields as they are in the message, before
/// and after the id.
#[derive(Debug)]
pub struct Call<'a> {
    pub client: &'a [u8],
    pub rest: [&'a [u8]; 2],
}

impl Call<'_> {
    /// The body of the call with a client id that belongs to `namespace`, and that id.
    ///
    /// sqld 0.24.32 keeps a connection for each client id, whatever the namespace, and checks
    /// the token against the namespace of the call. A client that may read one namespace and
    /// write another could therefore write to both. An id that is not a UUID makes its handler
    /// panic; the id that is sent here is always a valid one.
    pub fn within(&self, namespace: &NamespaceName) -> (Bytes, [u8; 16]) {
        let digest = Sha256::new()
            .chain_update(namespace.as_str())
            // A separator: no name contains a NUL.
            .chain_update([0])
            .chain_update(self.client)
            .finalize();
        let id: [u8; 16] = std::array::from_fn(|index| digest[index]);
        let own = protobuf::nested(1, hex::encode(&id).as_bytes());
        (frame(MESSAGE, &[&own, self.rest[0], self.rest[1]]), id)
    }
}

/// The gRPC status that corresponds to the HTTP `status`.
fn code(status: StatusCode) -> u8 {
    match status.as_u16() {
        400 | 405 | 415 => 3,
        401 => 16,
        403 => 7,
        404 => 12,
        408 | 504 => 4,
        413 | 429 => 8,
        502 | 503 => 14,
        _ => 13,
    }
}

/// `problem` as the answer to a call: a status without a body.
pub fn refusal(problem: &Problem) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("grpc-status", HeaderValue::from(u16::from(code(problem.status()))));
    if let Ok(said) = HeaderValue::try_from(percent(problem.detail())) {
        headers.insert("grpc-message", said);
    }
    response
}

/// `problem` as the trailers that end an answer which has already begun.
pub fn trailers(problem: &Problem) -> Bytes {
    let text = format!(
        "grpc-status:{}\r\ngrpc-message:{}\r\n",
        code(problem.status()),
        percent(problem.detail())
    );
    frame(TRAILERS, &[text.as_bytes()])
}

fn percent(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client id of `id` in the namespace `name`, as it is sent.
    fn own(id: &str, name: &str) -> String {
        let (program, unknown) = (protobuf::nested(2, b"program"), protobuf::nested(9, b""));
        let call = Call { client: id.as_bytes(), rest: [&program, &unknown] };
        let (body, sent) = call.within(&name.parse().unwrap());
        let fields = protobuf::fields(message(&body).unwrap());
        let fields = fields.collect::<Option<Vec<_>>>().unwrap();
        let numbers: Vec<u64> = fields.iter().map(|field| field.number).collect();
        assert_eq!(numbers, [1, 2, 9]);
        assert_eq!(fields[1].content, Some(b"program".as_slice()));
        let id = String::from_utf8(fields[0].content.unwrap().to_vec()).unwrap();
        assert_eq!(id, hex::encode(&sent));
        id
    }

    #[test]
    fn a_client_has_a_different_id_in_each_namespace() {
        assert_eq!(own("one", "a"), own("one", "a"));
        assert_ne!(own("one", "a"), own("one", "b"));
        assert_ne!(own("one", "a"), own("two", "a"));
        assert_ne!(own("one", "a"), "one");
        let id = own("no uuid at all", "a");
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }

    #[test]
    fn a_refusal_has_a_grpc_status_and_message() {
        let problem = Problem::forbidden("namespace-forbidden", "not yours: 100 %");
        let response = refusal(&problem);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "7");
        assert_eq!(response.headers()["grpc-message"], "not%20yours:%20100%20%25");
        let end = trailers(&Problem::unauthorized("token-expired", "late"));
        assert_eq!(end[..], *b"\x80\0\0\0\x23grpc-status:16\r\ngrpc-message:late\r\n");
    }
}
