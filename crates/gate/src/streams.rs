//! To which namespace a Hrana stream belongs.
//!
//! Seen on sqld 0.24.32: a stream that was opened in one namespace goes on under
//! any other. The server checks the token against the namespace of the request
//! and runs the statement in that of the stream, so who may read one namespace
//! and write another writes to both. The gate therefore remembers where each
//! stream was opened. The baton that continues a stream holds its id in clear:
//! 8 bytes of id, 8 of a counter, 32 of a code that only the server can make.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use moka::sync::Cache;
use serde::Deserialize;

use super::paths::Encoding;
use super::protobuf;
use demo_sqld::namespace::NamespaceName;

/// Bytes in a baton, and its characters in base64.
const BATON: usize = 48;
const BATON_TEXT: usize = 64;
/// The server forgets a stream that idles for 10 s; a statement may take longer.
const REMEMBERED: Duration = Duration::from_mins(2);
/// Far above what one server has at a time.
const MOST: u64 = 200_000;
/// Within so many bytes of an answer the baton is complete.
const HEAD: usize = 96;

/// How an answer in JSON begins that has a baton.
const JSON: &[u8] = br#"{"baton":""#;

/// The id of a stream of the server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct StreamId(pub u64);

/// Where each stream was opened.
#[derive(Clone)]
pub struct Streams(Cache<StreamId, NamespaceName>);

impl Default for Streams {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_idle(REMEMBERED).build())
    }
}

impl Streams {
    /// Whether the stream was opened in `namespace`, through this gate.
    pub fn belongs(&self, stream: StreamId, namespace: &NamespaceName) -> bool {
        self.0.get(&stream).is_some_and(|owner| owner == *namespace)
    }

    /// Remembers it. A stream never changes its namespace.
    pub fn remember(&self, stream: StreamId, namespace: &NamespaceName) {
        self.0.insert(stream, namespace.clone());
    }
}

/// What the body of a pipeline or cursor request is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asked {
    /// It opens a stream.
    New,
    /// It goes on with one.
    Goes(StreamId),
}

/// Why a body goes no further.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    #[error("the body is no Hrana request in this encoding")]
    Body,
    #[error("the baton is none")]
    Baton,
}

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    baton: Option<String>,
}

/// Which stream the body of a request means.
///
/// # Errors
/// When the body or the baton cannot be read: the server would refuse it as well.
pub fn asked(encoding: Encoding, body: &[u8]) -> Result<Asked, Unreadable> {
    let baton = match encoding {
        // As the server parses it: whole, and with an error for a key that is there twice.
        Encoding::Json => {
            serde_json::from_slice::<Request>(body).map_err(|_| Unreadable::Body)?.baton
        }
        Encoding::Protobuf => {
            let fields = protobuf::fields(body).ok_or(Unreadable::Body)?;
            let mut batons = fields.into_iter().filter(|field| field.number == 1);
            let baton = batons.next();
            if batons.next().is_some() {
                return Err(Unreadable::Body);
            }
            match baton {
                None => None,
                Some(field) => {
                    let bytes = field.content.ok_or(Unreadable::Body)?;
                    Some(String::from_utf8(bytes.to_vec()).map_err(|_| Unreadable::Body)?)
                }
            }
        }
    };
    match baton {
        None => Ok(Asked::New),
        Some(text) => stream_id(text.as_bytes()).map(Asked::Goes).ok_or(Unreadable::Baton),
    }
}

fn stream_id(baton: &[u8]) -> Option<StreamId> {
    let bytes = STANDARD_NO_PAD.decode(baton).ok().filter(|bytes| bytes.len() == BATON)?;
    let id = bytes.first_chunk::<8>()?;
    Some(StreamId(u64::from_be_bytes(*id)))
}

/// What the front of an answer tells of its stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// Nothing, or nothing new.
    Nothing,
    /// It stays open.
    Stream(StreamId),
    /// There is none any more.
    NoStream,
}

/// Reads the baton off the front of an answer as it passes. The server writes
/// it first; an answer that begins otherwise leaves its stream unknown, and
/// what is unknown cannot be continued.
#[derive(Default)]
pub struct Sniffer {
    head: Vec<u8>,
    done: bool,
}

impl Sniffer {
    /// Looks at the next bytes of the answer; tells of the stream once.
    pub fn look(&mut self, encoding: Encoding, cursor: bool, bytes: &[u8]) -> Seen {
        if self.done {
            return Seen::Nothing;
        }
        // Mostly all of it is there at once.
        let head = if self.head.is_empty() && bytes.len() >= HEAD {
            &bytes[..HEAD]
        } else {
            let room = HEAD - self.head.len();
            self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
            &self.head
        };
        if let Some(found) = baton(encoding, cursor, head).and_then(stream_id) {
            self.done = true;
            return Seen::Stream(found);
        }
        let json = encoding == Encoding::Json && head.len() >= JSON.len();
        if head.len() == HEAD || json && !head.starts_with(JSON) {
            self.done = true;
            return Seen::NoStream;
        }
        Seen::Nothing
    }
}

fn baton(encoding: Encoding, cursor: bool, head: &[u8]) -> Option<&[u8]> {
    let text = match encoding {
        Encoding::Json => head.strip_prefix(JSON)?,
        Encoding::Protobuf => {
            // The messages of a cursor each have their length in front.
            let message = if cursor { protobuf::varint(head)?.1 } else { head };
            message.strip_prefix(&[0x0a, 0x40])?
        }
    };
    text.get(..BATON_TEXT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(id: u64) -> String {
        let mut bytes = [7; BATON];
        bytes[..8].copy_from_slice(&id.to_be_bytes());
        STANDARD_NO_PAD.encode(bytes)
    }

    #[test]
    fn a_request_tells_its_stream() {
        let json = |body: String| asked(Encoding::Json, body.as_bytes());
        let going = Ok(Asked::Goes(StreamId(9)));
        assert_eq!(json(format!(r#"{{"baton":"{}","requests":[]}}"#, text(9))), going);
        assert_eq!(
            json(format!(r#"{{"requests":[{{"baton":1}}],"\u0062aton":"{}"}}"#, text(9))),
            going
        );
        for new in [r#"{"requests":[]}"#, r#"{"baton":null}"#, r#"{"x":{"baton":"y"}}"#] {
            assert_eq!(json(new.to_owned()), Ok(Asked::New), "{new}");
        }
        let twice = format!(r#"{{"baton":null,"baton":"{}"}}"#, text(9));
        for body in ["", "[", "[]x", "{\"baton\":7}", &twice, "{} {}"] {
            assert_eq!(json(body.to_owned()), Err(Unreadable::Body), "{body}");
        }
        for baton in ["", "AAAA", &format!("{}=", text(9)), &text(9)[1..]] {
            assert_eq!(json(format!(r#"{{"baton":"{baton}"}}"#)), Err(Unreadable::Baton));
        }
    }

    #[test]
    fn a_request_in_protobuf_too() {
        let mut body = Vec::new();
        protobuf::push(&mut body, 2, b"request");
        assert_eq!(asked(Encoding::Protobuf, &body), Ok(Asked::New));
        protobuf::push(&mut body, 1, text(5).as_bytes());
        assert_eq!(asked(Encoding::Protobuf, &body), Ok(Asked::Goes(StreamId(5))));
        protobuf::push(&mut body, 1, text(6).as_bytes());
        assert_eq!(asked(Encoding::Protobuf, &body), Err(Unreadable::Body));
        assert_eq!(asked(Encoding::Protobuf, &[0x08, 1]), Err(Unreadable::Body));
    }

    fn answer(encoding: Encoding, cursor: bool, id: u64) -> Vec<u8> {
        if encoding == Encoding::Json {
            return format!("{{\"baton\":\"{}\",\"base_url\":null}}", text(id)).into_bytes();
        }
        let mut message = Vec::new();
        protobuf::push(&mut message, 1, text(id).as_bytes());
        if cursor {
            message.insert(0, u8::try_from(message.len()).unwrap());
        }
        message
    }

    proptest! {
        #[test]
        fn an_answer_tells_its_stream_in_whatever_pieces_it_comes(
            id in any::<u64>(), size in 1usize..100, cursor in any::<bool>(), json in any::<bool>(),
        ) {
            let encoding = if json { Encoding::Json } else { Encoding::Protobuf };
            let mut body = answer(encoding, cursor, id);
            body.extend([b' '; 100]);
            let mut sniffer = Sniffer::default();
            let mut found: Vec<Seen> =
                body.chunks(size).map(|part| sniffer.look(encoding, cursor, part)).collect();
            found.retain(|seen| *seen != Seen::Nothing);
            prop_assert_eq!(found, vec![Seen::Stream(StreamId(id))]);
        }

        #[test]
        fn other_answers_tell_nothing(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            for encoding in [Encoding::Json, Encoding::Protobuf] {
                if baton(encoding, false, &body).is_none() {
                    let seen = Sniffer::default().look(encoding, false, &body);
                    prop_assert!(!matches!(seen, Seen::Stream(_)));
                }
            }
        }
    }

    #[test]
    fn a_stream_belongs_to_one_namespace() {
        let (streams, a, b) = (Streams::default(), "a".parse().unwrap(), "b".parse().unwrap());
        assert!(!streams.belongs(StreamId(1), &a));
        streams.remember(StreamId(1), &a);
        assert!(streams.belongs(StreamId(1), &a) && !streams.belongs(StreamId(1), &b));
    }
}
