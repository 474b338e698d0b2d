//! Finds replication indexes in an answer while it passes.
//!
//! The bytes `"replication_index":` always come from the server: inside a JSON string the
//! quotes would be escaped, and the keys of the objects are the server's own. The body is
//! therefore neither parsed nor stored.

const INDEX: &[u8] = br#""replication_index":"#;
const ERROR: &[u8] = br#""type":"error""#;

/// What an answer has shown so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Shown {
    pub lowest: Option<u64>,
    pub highest: Option<u64>,
    /// How many indexes were numbers.
    pub numbers: usize,
    /// How many indexes were null: those of a batch's steps, and of an empty database.
    pub nulls: usize,
    /// Whether a request of a pipeline failed.
    pub error: bool,
}

/// The value after the key of an index.
#[derive(Clone, Copy)]
enum Value {
    /// No value is being read.
    Elsewhere,
    /// The value begins here.
    Begun,
    /// The digits so far.
    Number(u64),
}

/// Reads an answer chunk by chunk; a chunk may end anywhere.
pub struct Scanner {
    index: Matcher,
    error: Matcher,
    value: Value,
    shown: Shown,
}

impl Default for Scanner {
    fn default() -> Self {
        let (index, error) = (Matcher::new(INDEX), Matcher::new(ERROR));
        Self { index, error, value: Value::Elsewhere, shown: Shown::default() }
    }
}

impl Scanner {
    /// What the answer has shown up to and including `chunk`.
    pub fn take(&mut self, chunk: &[u8]) -> Shown {
        for &byte in chunk {
            self.byte(byte);
        }
        self.shown
    }

    pub fn shown(&self) -> Shown {
        self.shown
    }

    fn byte(&mut self, byte: u8) {
        match (self.value, byte) {
            (Value::Elsewhere, _) => {}
            // The value may be a string or a number, so the quote is optional.
            (Value::Begun, b'"') => return,
            (Value::Begun, b'0'..=b'9') => {
                self.value = Value::Number(u64::from(byte - b'0'));
                return;
            }
            (Value::Number(number), b'0'..=b'9') => {
                let digit = u64::from(byte - b'0');
                self.value = Value::Number(number.saturating_mul(10).saturating_add(digit));
                return;
            }
            (Value::Number(number), _) => {
                self.shown.numbers += 1;
                self.shown.highest = self.shown.highest.max(Some(number));
                let lowest = self.shown.lowest.map_or(number, |lowest| lowest.min(number));
                self.shown.lowest = Some(lowest);
                self.value = Value::Elsewhere;
            }
            (Value::Begun, _) => {
                self.shown.nulls += 1;
                self.value = Value::Elsewhere;
            }
        }
        if self.index.next(byte) {
            self.value = Value::Begun;
        }
        self.shown.error |= self.error.next(byte);
    }
}

/// Finds one pattern in a stream (Knuth, Morris, Pratt).
struct Matcher {
    pattern: &'static [u8],
    /// For each length of a match, the longest shorter one that ends the same way.
    shorter: Vec<usize>,
    matched: usize,
}

impl Matcher {
    fn new(pattern: &'static [u8]) -> Self {
        let mut shorter = vec![0; pattern.len() + 1];
        let mut length = 0;
        for end in 1..pattern.len() {
            while length > 0 && pattern[end] != pattern[length] {
                length = shorter[length];
            }
            length += usize::from(pattern[end] == pattern[length]);
            shorter[end + 1] = length;
        }
        Self { pattern, shorter, matched: 0 }
    }

    /// Whether the pattern ends with `byte`.
    fn next(&mut self, byte: u8) -> bool {
        while self.matched > 0 && self.pattern[self.matched] != byte {
            self.matched = self.shorter[self.matched];
        }
        self.matched += usize::from(self.pattern[self.matched] == byte);
        let whole = self.matched == self.pattern.len();
        if whole {
            self.matched = self.shorter[self.matched];
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn scan(text: &str) -> Shown {
        Scanner::default().take(text.as_bytes())
    }

    fn shown(lowest: u64, highest: u64, numbers: usize, nulls: usize) -> Shown {
        Shown { lowest: Some(lowest), highest: Some(highest), numbers, nulls, error: false }
    }

    #[test]
    fn text_numbers_and_null() {
        assert_eq!(scan(r#"{"replication_index":"7","x":1}"#), shown(7, 7, 1, 0));
        assert_eq!(scan(r#"{"replication_index":8}"#), shown(8, 8, 1, 0));
        assert_eq!(scan(r#"{"replication_index":null}"#), Shown { nulls: 1, ..Shown::default() });
        let cursor = r#"{"type":"replication_index","replication_index":8}"#;
        assert_eq!(scan(cursor), shown(8, 8, 1, 0));
        let batch =
            r#"[{"replication_index":null},{"replication_index":"3"}],"replication_index":"12""#;
        assert_eq!(scan(batch), shown(3, 12, 2, 1));
        assert!(scan(r#"{"results":[{"type":"error","error":{}}]}"#).error);
        assert!(!scan(r#"{"results":[{"type":"ok"}],"type":"errors"}"#).error);
    }

    /// An answer as the server writes it, with `text` wherever a client can put text.
    fn answer(text: &str, index: u64) -> Value {
        json!({ "baton": text, "base_url": null, "results": [
            { "type": "ok", "response": { "type": "execute", "result": {
                "cols": [{ "name": text, "decltype": text }],
                "rows": [[{ "type": "text", "value": text }, { "type": "blob", "base64": "IA" }]],
                "affected_row_count": 0,
                "last_insert_rowid": null,
                "replication_index": index.to_string(),
            } } },
            { "type": "ok", "response": { "type": "batch", "result": {
                "step_results": [null],
                "step_errors": [{ "message": text, "code": text }],
                "replication_index": null,
            } } },
        ] })
    }

    #[test]
    fn text_of_clients_shows_no_index() {
        for text in [
            r#""replication_index":"99""#,
            r#""replication_index":99"#,
            "replication_index",
            r#"\"replication_index\":\"99\""#,
            r#"\\"replication_index":"99"#,
            r#"","replication_index":"99"#,
            r#"{"type":"error"}"#,
            "type",
            "error",
        ] {
            let expected = Shown { nulls: 1, ..shown(5, 5, 1, 0) };
            assert_eq!(scan(&answer(text, 5).to_string()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(
            text in r#"[\\"a-z_:,{}0-9]{0,40}|"replication_index":"9|\PC{0,20}"#,
            index in any::<u64>(),
            cuts in proptest::collection::vec(0_usize..600, 0..12),
        ) {
            let whole = answer(&text, index).to_string();
            let mut scanner = Scanner::default();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(whole.len())).collect();
            cuts.sort_unstable();
            let mut from = 0;
            for cut in cuts.into_iter().chain([whole.len()]) {
                scanner.take(&whole.as_bytes()[from..cut]);
                from = cut;
            }
            let expected = Shown { nulls: 1, ..shown(index, index, 1, 0) };
            prop_assert_eq!(scanner.shown(), expected);
        }
    }
}
