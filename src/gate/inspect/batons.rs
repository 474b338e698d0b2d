//! Whose stream a baton goes on with.
//!
//! The server takes a baton from everybody who may use some namespace and goes
//! on with the stream that it stands for, in whatever namespace that is. The gate
//! remembers to whom it has passed each one.

use std::time::Duration;

use moka::sync::Cache;

/// Longer than the 10 s after which the server forgets an idle stream.
const LIFE: Duration = Duration::from_secs(30);
/// The server has 128 connections; each answer brings a new baton.
const MOST: u64 = 100_000;
/// A baton is in the first bytes of an answer: an identifier, a number and a
/// digest in base64.
const LONGEST_HEAD: usize = 1024;

/// The batons that have passed.
#[derive(Clone)]
pub struct Batons(Cache<String, String>);

impl Default for Batons {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST).time_to_live(LIFE).build())
    }
}

impl Batons {
    /// `owner` (namespace, subject, access) has got `baton`.
    pub fn gave(&self, baton: String, owner: &str) {
        self.0.insert(baton, owner.to_owned());
    }

    /// Whether `owner` may go on with `baton`.
    pub fn belongs(&self, baton: &str, owner: &str) -> bool {
        self.0.get(baton).is_some_and(|known| known == owner)
    }
}

/// In which form an answer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// A pipeline's or a cursor's JSON: the baton is its first member.
    Json,
    /// A pipeline's protobuf: the baton is its first field.
    Protobuf,
    /// A cursor's protobuf: the same after the length of the first message.
    LengthThenProtobuf,
}

/// Looks for the baton in an answer that passes by in pieces.
#[derive(Debug)]
pub struct Watch {
    form: Form,
    head: Vec<u8>,
    done: bool,
}

impl Watch {
    pub fn new(form: Form) -> Self {
        Self { form, head: Vec::new(), done: false }
    }

    /// The next piece; the baton, once, as soon as it is whole.
    pub fn pass(&mut self, piece: &[u8]) -> Option<String> {
        if self.done {
            return None;
        }
        let room = LONGEST_HEAD - self.head.len();
        self.head.extend_from_slice(&piece[..piece.len().min(room)]);
        let found = match self.form {
            Form::Json => json(&self.head),
            Form::Protobuf => field(&self.head),
            Form::LengthThenProtobuf => {
                varint(&self.head).map_or(Found::Unclear, |(_, rest)| field(rest))
            }
        };
        match found {
            Found::Baton(baton) => {
                self.done = true;
                self.head = Vec::new();
                Some(baton)
            }
            Found::None => {
                self.done = true;
                self.head = Vec::new();
                None
            }
            Found::Unclear => {
                self.done = self.head.len() == LONGEST_HEAD;
                None
            }
        }
    }
}

enum Found {
    Baton(String),
    None,
    /// More of the answer is needed.
    Unclear,
}

fn json(head: &[u8]) -> Found {
    const START: &[u8] = b"{\"baton\":\"";
    let shared = head.len().min(START.len());
    if head[..shared] != START[..shared] {
        return Found::None;
    }
    // Base64 has no quotes and no backslashes.
    let rest = head.get(START.len()..).unwrap_or_default();
    match rest.iter().position(|byte| *byte == b'"') {
        Some(end) => text(&rest[..end]),
        None => Found::Unclear,
    }
}

fn field(head: &[u8]) -> Found {
    /// Field 1, length-delimited.
    const TAG: u8 = 0x0a;
    match head.first() {
        None => return Found::Unclear,
        Some(&TAG) => {}
        Some(_) => return Found::None,
    }
    let Some((length, rest)) = varint(&head[1..]) else { return Found::Unclear };
    rest.get(..length).map_or(Found::Unclear, text)
}

fn text(bytes: &[u8]) -> Found {
    std::str::from_utf8(bytes).map_or(Found::None, |text| Found::Baton(text.to_owned()))
}

fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}
