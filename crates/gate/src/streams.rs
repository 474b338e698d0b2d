//! Remembers to which namespace each Hrana stream belongs.
//!
//! On sqld 0.24.32, a stream that was opened in one namespace can be continued under
//! any other. The server checks the token against the namespace of the request, but
//! runs the statement in that of the stream. A client that may read one namespace and
//! write another could therefore write to both, so the gate remembers where each stream
//! was opened. The baton that continues a stream has its id in plain text: 8 bytes of id,
//! 8 bytes of a counter, and 32 bytes of a code that only the server can make.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use moka::sync::Cache;

use super::message::Refusal;
use super::paths::Encoding;
use super::protobuf;
use demo_sqld::namespace::NamespaceName;

/// The length of a baton in bytes, and in base64.
const BATON: usize = 48;
const BATON_TEXT: usize = 64;
/// The server closes a stream that is idle for 10 s, but a statement may take longer.
const REMEMBERED: Duration = Duration::from_mins(2);
/// Far more streams than one server has at a time.
const MOST: u64 = 200_000;
/// The baton is complete within this many bytes of an answer.
const HEAD: usize = 96;

/// The beginning of a JSON answer with a baton.
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

    /// Remembers that the stream was opened in `namespace`. A stream never changes it.
    pub fn remember(&self, stream: StreamId, namespace: &NamespaceName) {
        self.0.insert(stream, namespace.clone());
    }
}

/// The stream that a request with `baton` continues.
///
/// # Errors
/// When the baton is not valid: the server would refuse it as well.
pub fn continued(baton: &str) -> Result<StreamId, Refusal> {
    stream_id(baton.as_bytes()).ok_or(Refusal::Malformed("the baton is not valid"))
}

fn stream_id(baton: &[u8]) -> Option<StreamId> {
    let bytes = STANDARD_NO_PAD.decode(baton).ok().filter(|bytes| bytes.len() == BATON)?;
    let id = bytes.first_chunk::<8>()?;
    Some(StreamId(u64::from_be_bytes(*id)))
}

/// What the beginning of an answer says about its stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen {
    /// Nothing, or nothing new.
    Nothing,
    /// The stream stays open.
    Stream(StreamId),
    /// No stream stays open.
    NoStream,
}

/// Reads the baton at the beginning of an answer as it passes. The server writes it first.
/// If an answer begins in another way, its stream stays unknown and cannot be continued.
#[derive(Default)]
pub struct Sniffer {
    head: Vec<u8>,
    done: bool,
}

impl Sniffer {
    /// Reads the next bytes of the answer; reports the stream once.
    pub fn look(&mut self, encoding: Encoding, cursor: bool, bytes: &[u8]) -> Seen {
        if self.done {
            return Seen::Nothing;
        }
        // The first chunk nearly always has all of it.
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
            // Each message of a cursor is preceded by its length.
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
        fn the_stream_of_an_answer_is_found_however_it_is_split(
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
        fn other_answers_name_no_stream(body in proptest::collection::vec(any::<u8>(), 0..200)) {
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
