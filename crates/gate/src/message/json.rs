//! Reads JSON, in one pass that copies nothing.
//!
//! Every string that is not an argument counts as SQL, wherever it is and including those
//! under duplicate keys, so that it does not matter which of them the server uses. What the
//! gate knows of a body goes into its [`Slot`]; anything else makes the body inexact.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::hrana::Body;
use super::{Inspection, Refusal};

const NO_JSON: Refusal = Refusal::Malformed("the body is not valid for this route: it is not JSON");
const NO_HRANA: Refusal = Refusal::Malformed("the body is not a Hrana request in this encoding");

/// How many requests, steps and conditions of one body are kept. An item takes far more memory
/// than the few bytes that it may consist of in JSON.
const MOST_ITEMS: u32 = 4096;

/// The keys that mean something, here or there.
#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
pub enum Key {
    Args,
    Baton,
    Batch,
    Cond,
    Condition,
    Conds,
    NamedArgs,
    Params,
    ReplicationIndex,
    Requests,
    Sql,
    SqlId,
    Step,
    Steps,
    Stmt,
    Type,
    WantRows,
    #[serde(other)]
    Other,
}

impl Key {
    /// Whether the value is a word of the protocol, which does not count as a statement.
    fn is_word(self) -> bool {
        matches!(self, Self::Type | Self::Baton | Self::Condition | Self::ReplicationIndex)
    }
}

/// Where a value goes.
pub enum Slot<'s, 'a> {
    Text(&'s mut Option<Cow<'a, str>>),
    /// A number, a text that is one, or true or false.
    Scalar(&'s mut Option<Value>),
    /// As it is; never SQL, whatever it contains.
    Arguments(&'s mut Option<&'a RawValue>),
    Object(&'s mut dyn Object<'a>),
    List(&'s mut dyn List<'a>),
    /// Into a new item of the list, which must be an object.
    Item(&'s mut dyn List<'a>),
    /// Nowhere.
    Unknown,
}

/// An object whose fields are known.
pub trait Object<'a> {
    fn field(&mut self, key: Key) -> Slot<'_, 'a>;
}

impl<'a, T: Object<'a> + Default> Object<'a> for Option<T> {
    fn field(&mut self, key: Key) -> Slot<'_, 'a> {
        self.get_or_insert_default().field(key)
    }
}

/// A list of such objects, or a box for one.
pub trait List<'a> {
    /// An empty list is not the same as none.
    fn begin(&mut self) {}

    fn item(&mut self) -> Slot<'_, 'a>;
}

impl<'a, T: Object<'a> + Default> List<'a> for Option<Vec<T>> {
    fn begin(&mut self) {
        self.get_or_insert_default();
    }

    fn item(&mut self) -> Slot<'_, 'a> {
        let items = self.get_or_insert_default();
        items.push(T::default());
        items.last_mut().map_or(Slot::Unknown, |item| Slot::Object(item))
    }
}

impl<'a, T: Object<'a> + Default> List<'a> for Option<Box<T>> {
    fn item(&mut self) -> Slot<'_, 'a> {
        Slot::Object(&mut **self.get_or_insert_default())
    }
}

/// Reads the body of a request without a stream.
pub fn stateless(body: &[u8], sql: &mut Inspection) -> Result<(), Refusal> {
    read(body, sql, false, None).map(drop)
}

/// Reads the body of a pipeline or a cursor: its baton, and what it asks for, if it has at
/// most `kept` bytes and nothing that the gate does not know.
pub fn stream<'a>(
    body: &'a [u8],
    sql: &mut Inspection,
    kept: usize,
) -> Result<(Option<String>, Option<Body<'a>>), Refusal> {
    let mut asked = Body::default();
    let (baton, exact) = read(body, sql, body.len() <= kept, Some(&mut asked))?;
    Ok((baton, exact.then_some(asked)))
}

fn read<'a>(
    body: &'a [u8],
    sql: &mut Inspection,
    exact: bool,
    asked: Option<&mut Body<'a>>,
) -> Result<(Option<String>, bool), Refusal> {
    let mut seen = Seen { sql, refusal: None, exact, items: 0, baton: None };
    let whole = asked.is_some();
    let slot = asked.map_or(Slot::Unknown, |asked| Slot::Object(asked));
    let scan = Scan { seen: &mut seen, slot, counts: true, whole };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = if whole { reader.deserialize_map(scan) } else { scan.deserialize(&mut reader) };
    match read.and_then(|()| reader.end()) {
        Ok(()) => Ok((seen.baton, seen.exact)),
        Err(error) => {
            let wrong = if error.is_data() { NO_HRANA } else { NO_JSON };
            Err(seen.refusal.unwrap_or(wrong))
        }
    }
}

struct Seen<'q> {
    sql: &'q mut Inspection,
    refusal: Option<Refusal>,
    /// Whether everything so far is known. Once something is not, nothing more is kept.
    exact: bool,
    /// How many items are kept.
    items: u32,
    baton: Option<String>,
}

/// Visits a value and everything inside it.
struct Scan<'r, 'q, 's, 'a> {
    seen: &'r mut Seen<'q>,
    slot: Slot<'s, 'a>,
    /// Whether its strings count as statements; they are judged in any case.
    counts: bool,
    /// Whether it is the body of a pipeline or a cursor.
    whole: bool,
}

impl<'a> Scan<'_, '_, '_, 'a> {
    fn text<E: Error>(self, text: &str, kept: impl FnOnce() -> Cow<'a, str>) -> Result<(), E> {
        let Self { seen, slot, counts, .. } = self;
        if let Err(refusal) = seen.sql.add(text, counts) {
            seen.refusal = Some(refusal);
            return Err(E::custom("refused"));
        }
        match slot {
            Slot::Text(place) => *place = Some(kept()),
            Slot::Scalar(place) => *place = Some(text.into()),
            _ => seen.exact = false,
        }
        Ok(())
    }

    fn scalar(self, value: impl Into<Value>) {
        match self.slot {
            Slot::Scalar(place) => *place = Some(value.into()),
            _ => self.seen.exact = false,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Scan<'_, '_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_, '_, '_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a Hrana request")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        self.text(text, || Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.text(text, || Cow::Owned(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { seen, mut slot, counts, .. } = self;
        match &mut slot {
            Slot::List(list) => list.begin(),
            _ => seen.exact = false,
        }
        loop {
            let slot = match &mut slot {
                Slot::List(list) if seen.exact => Slot::Item(&mut **list),
                _ => Slot::Unknown,
            };
            let item = Scan { seen, slot, counts, whole: false };
            if items.next_element_seed(item)?.is_none() {
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { seen, slot, counts, whole } = self;
        let mut slot = match slot {
            Slot::Item(list) if seen.items < MOST_ITEMS => {
                seen.items += 1;
                list.item()
            }
            slot => slot,
        };
        seen.exact &= matches!(slot, Slot::Object(_));
        let mut keys = 0_u32;
        while let Some(key) = entries.next_key::<Key>()? {
            let bit = 1 << key as u32;
            let twice = keys & bit != 0;
            keys |= bit;
            if whole && matches!(key, Key::Baton) {
                if twice {
                    return Err(A::Error::duplicate_field("baton"));
                }
                seen.baton = entries.next_value()?;
                continue;
            }
            let slot = match &mut slot {
                Slot::Object(object) if seen.exact && !twice => object.field(key),
                _ => Slot::Unknown,
            };
            seen.exact &= !matches!(slot, Slot::Unknown);
            match (key, slot) {
                (_, Slot::Arguments(place)) => *place = Some(entries.next_value()?),
                (Key::Args | Key::NamedArgs | Key::Params, _) => {
                    let IgnoredAny = entries.next_value()?;
                }
                (key, slot) => {
                    let counts = counts && !key.is_word();
                    entries.next_value_seed(Scan { seen, slot, counts, whole: false })?;
                }
            }
        }
        // No object of Hrana is empty.
        seen.exact &= keys != 0;
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.scalar(flag);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.scalar(number);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.scalar(number);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.scalar(number);
        Ok(())
    }

    /// Null, which is the same as nothing, except in a list.
    fn visit_unit<E>(self) -> Result<(), E> {
        self.seen.exact &= !matches!(self.slot, Slot::Item(_));
        Ok(())
    }
}
