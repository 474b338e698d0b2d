//! Hrana in JSON: bodies of HTTP requests and messages of web sockets.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Refusal, words};

/// What is under these keys is never SQL, whatever it says.
const ARGUMENTS: [&str; 3] = ["args", "named_args", "params"];

/// Looks at a body or a message.
///
/// # Errors
/// [`Refusal::Word`], or [`Refusal::Malformed`] where it is not JSON.
pub fn check(text: &[u8]) -> Result<(), Refusal> {
    // An escaped letter hides a word from the quick look.
    if !words::possible(text) && !text.windows(2).any(|pair| pair == br"\u") {
        return Ok(());
    }
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_slice(text);
    Scan(&mut found)
        .deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(|_| Refusal::Malformed("it is not JSON"))?;
    found.map_or(Ok(()), |word| Err(Refusal::Word(word)))
}

/// The id of a request of a WebSocket, to answer it.
pub fn request_id(message: &[u8]) -> Option<i32> {
    #[derive(Deserialize)]
    struct Request {
        request_id: i32,
    }
    serde_json::from_slice(message).ok().map(|request: Request| request.request_id)
}

/// Looks at every text, those under a key that is there twice included.
struct Scan<'a>(&'a mut Option<&'static str>);

impl Scan<'_> {
    fn text(&mut self, text: &str) {
        if self.0.is_none() {
            *self.0 = words::find(text.as_bytes());
        }
    }
}

impl<'de> DeserializeSeed<'de> for Scan<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.text(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Scan(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<String>()? {
            if ARGUMENTS.contains(&key.as_str()) {
                entries.next_value::<IgnoredAny>()?;
            } else {
                entries.next_value_seed(Scan(self.0))?;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
