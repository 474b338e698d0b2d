//! Reads from a client's WebSocket messages who it is, and writes hellos.

use serde::{Deserialize, Serialize};

use super::super::paths::Encoding;
use super::super::protobuf;

/// The subprotocols that the server supports, in its order of preference. Without one it
/// uses `hrana1`.
pub const PROTOCOLS: [(&str, Encoding); 4] = [
    ("hrana3-protobuf", Encoding::Protobuf),
    ("hrana3", Encoding::Json),
    ("hrana2", Encoding::Json),
    ("hrana1", Encoding::Json),
];

/// A message of a client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Said {
    /// A hello, with its token, if any.
    Hello(Option<String>),
    /// Any other message.
    Request,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    jwt: Option<String>,
}

/// Reads a message; `None` for one that the server would not understand either.
pub fn read(encoding: Encoding, message: &[u8]) -> Option<Said> {
    match encoding {
        // A duplicate key is an error, as it is for the server.
        Encoding::Json => {
            let message: Message = serde_json::from_slice(message).ok()?;
            match (message.kind.as_str(), message.jwt) {
                ("hello", jwt) => Some(Said::Hello(jwt)),
                ("request", _) => Some(Said::Request),
                _ => None,
            }
        }
        Encoding::Protobuf => {
            let fields = protobuf::fields(message)?;
            // Exactly one field: a parser would merge several, or take the last one.
            let [field] = fields.as_slice() else { return None };
            let content = field.content?;
            match field.number {
                1 => {
                    let mut jwts = protobuf::fields(content)?.into_iter().filter(|f| f.number == 1);
                    match (jwts.next(), jwts.next()) {
                        (None, _) => Some(Said::Hello(None)),
                        (Some(jwt), None) => {
                            let text = String::from_utf8(jwt.content?.to_vec()).ok()?;
                            Some(Said::Hello(Some(text)))
                        }
                        (Some(_), Some(_)) => None,
                    }
                }
                2 => Some(Said::Request),
                _ => None,
            }
        }
    }
}

/// A message to a peer, in either encoding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
}

impl From<Frame> for tokio_tungstenite::tungstenite::Message {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Text(text) => Self::text(text),
            Frame::Binary(bytes) => Self::binary(bytes),
        }
    }
}

/// The hello that goes upstream: with the token that was verified, and nothing else.
pub fn write(encoding: Encoding, jwt: &str) -> Frame {
    #[derive(Serialize)]
    struct Hello<'a> {
        r#type: &'a str,
        jwt: &'a str,
    }
    match encoding {
        Encoding::Json => {
            let hello = Hello { r#type: "hello", jwt };
            Frame::Text(serde_json::to_string(&hello).unwrap_or_default())
        }
        Encoding::Protobuf => Frame::Binary(nested(1, &nested(1, jwt.as_bytes()))),
    }
}

/// The answer to a hello that is refused.
pub fn refuse(encoding: Encoding, code: &str, message: &str) -> Frame {
    match encoding {
        Encoding::Json => {
            let error = serde_json::json!({ "message": message, "code": code });
            Frame::Text(serde_json::json!({ "type": "hello_error", "error": error }).to_string())
        }
        Encoding::Protobuf => {
            let mut error = nested(1, message.as_bytes());
            protobuf::push(&mut error, 2, code.as_bytes());
            Frame::Binary(nested(2, &nested(1, &error)))
        }
    }
}

fn nested(number: u8, content: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    protobuf::push(&mut message, number, content);
    message
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> Option<Said> {
        read(Encoding::Json, text.as_bytes())
    }

    #[test]
    fn hellos_and_requests_are_told_apart() {
        let hello = |jwt: &str| Some(Said::Hello(Some(jwt.to_owned())));
        assert_eq!(json(r#"{"type":"hello","jwt":"x"}"#), hello("x"));
        assert_eq!(json(r#"{"jwt":"x","\u0074ype":"h\u0065llo"}"#), hello("x"));
        assert_eq!(json(r#"{"type":"hello","jwt":null}"#), Some(Said::Hello(None)));
        assert_eq!(json(r#"{"type":"hello"}"#), Some(Said::Hello(None)));
        assert_eq!(json(r#"{"type":"request","request":{"type":"hello"}}"#), Some(Said::Request));
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"type":"hello","jwt":7}"#,
            r#"{"type":"other"}"#,
            r#"{"type":"Hello"}"#,
            r#"{"type":"request","type":"hello"}"#,
            r#"{"type":"hello","jwt":"a","jwt":"b"}"#,
            r#"{"type":"hello"} x"#,
            r#"{"jwt":"x"}"#,
        ] {
            assert_eq!(json(bad), None, "{bad}");
        }
    }

    #[test]
    fn hellos_and_requests_in_protobuf_are_told_apart() {
        let read = |message: &[u8]| read(Encoding::Protobuf, message);
        assert_eq!(read(&nested(1, &nested(1, b"x"))), Some(Said::Hello(Some("x".into()))));
        assert_eq!(read(&nested(1, b"")), Some(Said::Hello(None)));
        assert_eq!(read(&nested(2, b"\x08\x01")), Some(Said::Request));
        let both = [nested(2, b""), nested(1, &nested(1, b"x"))].concat();
        let twice = nested(1, &[nested(1, b"x"), nested(1, b"y")].concat());
        for bad in [&b""[..], &nested(3, b""), &both, &twice, &[0x08, 1], &nested(1, &[0x08, 1])] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn the_hello_that_is_written_is_the_one_that_is_read(jwt in ".{0,300}") {
            for encoding in [Encoding::Json, Encoding::Protobuf] {
                let bytes = match write(encoding, &jwt) {
                    Frame::Text(text) => text.into_bytes(),
                    Frame::Binary(bytes) => bytes,
                };
                prop_assert_eq!(read(encoding, &bytes), Some(Said::Hello(Some(jwt.clone()))));
            }
        }
    }
}
