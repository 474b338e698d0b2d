//! The record of keys that signed in the past: until when their tokens are valid.
//!
//! Only `keys prune` uses this file. Without it old keys stay trusted, which is the safe side.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Store, lock, present};
use crate::credentials::Error;
use demo_base::error::Result;
use demo_base::files::{self, MODE_SHARED, write_atomic};
use demo_sqld::keys::PublicKey;

/// The default lifetime of `demo token mint`, and that of the project's own token. Tokens with a
/// longer lifetime are recorded when they are made.
pub const USUAL_LIFE: Duration = Duration::from_hours(24);
/// For how long the server still accepts an expired token.
const LEEWAY: Duration = Duration::from_secs(60);

/// When the last token of a key expires.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", untagged)]
pub enum Until {
    /// At this time.
    Moment(Timestamp),
    /// A token never expires: `"never"`.
    Never(Never),
}

/// The word `never`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Never {
    Never,
}

impl Until {
    /// The expiry of a token that is made at `now` with `lifetime`.
    fn after(now: Timestamp, lifetime: Option<Duration>) -> Self {
        let never = Self::Never(Never::Never);
        lifetime.map_or(never, |life| now.checked_add(life).map_or(never, Self::Moment))
    }

    fn later(self, other: Self) -> Self {
        match (self, other) {
            (Self::Moment(one), Self::Moment(two)) => Self::Moment(one.max(two)),
            _ => Self::Never(Never::Never),
        }
    }

    /// Whether every token is refused at `now`, including the leeway of the server.
    pub fn is_over(self, now: Timestamp) -> bool {
        match self {
            Self::Moment(end) => end.checked_add(LEEWAY).is_ok_and(|end| end < now),
            Self::Never(Never::Never) => false,
        }
    }
}

/// The record of one key.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// When it stopped signing; `None` while it signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
    /// When its last token expires, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_until: Option<Until>,
}

/// The records by thumbprint.
pub type Records = BTreeMap<String, Record>;

impl Store {
    /// The file with the records of former signing keys and of long-lived tokens.
    pub fn retired_path(&self) -> PathBuf {
        self.jwt_dir().join("keys.json")
    }

    /// The records; empty when there is no file.
    ///
    /// # Errors
    /// [`Error::DamagedRecord`]; [`Error::Refused`] or [`demo_base::Error`] when it cannot be read.
    pub(super) fn records(&self) -> Result<Records> {
        let path = self.retired_path();
        if !present(&path)? {
            return Ok(Records::new());
        }
        let text = files::read_text(&path, "record of the keys")?;
        Ok(serde_json::from_str(&text).map_err(|source| Error::DamagedRecord { path, source })?)
    }

    pub(super) fn write_records(&self, records: &Records) -> Result<()> {
        let path = self.retired_path();
        if records.is_empty() {
            return Ok(files::remove(&path)?);
        }
        let text = serde_json::to_string_pretty(records)? + "\n";
        Ok(write_atomic(&path, text.as_bytes(), MODE_SHARED)?)
    }

    /// Records that `key` signs a token at `now` with a longer lifetime than usual, so that `keys
    /// prune` waits for its expiry; `None` never expires. Shorter lifetimes need no record.
    ///
    /// # Errors
    /// [`Error::DamagedRecord`]; [`Error::Refused`] or [`demo_base::Error`] when the record cannot be
    /// read or written.
    pub fn note_token(
        &self,
        key: &PublicKey,
        now: Timestamp,
        lifetime: Option<Duration>,
    ) -> Result<()> {
        if lifetime.is_some_and(|life| life <= USUAL_LIFE) {
            return Ok(());
        }
        let _lock = lock(&self.jwt_dir())?;
        let mut records = self.records()?;
        let record = records.entry(key.thumbprint()).or_default();
        record.note(Until::after(now, lifetime));
        self.write_records(&records)
    }
}

impl Record {
    fn note(&mut self, until: Until) {
        self.tokens_until = Some(self.tokens_until.map_or(until, |known| known.later(until)));
    }

    /// Records that the key no longer signs from `now` on.
    pub(super) fn retire(&mut self, now: Timestamp) {
        self.retired_at = Some(now);
        self.note(Until::after(now, Some(USUAL_LIFE)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_end_counts_and_never_beats_all() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let mut record = Record::default();
        record.note(Until::after(now, Some(Duration::from_hours(48))));
        record.retire(now);
        let days = |hours| Until::after(now, Some(Duration::from_hours(hours)));
        assert_eq!(record.tokens_until, Some(days(48)));
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + 48 * 3600 + seconds).unwrap();
        assert!(!days(48).is_over(at(60)) && days(48).is_over(at(61)));
        record.note(Until::after(now, None));
        record.note(days(1));
        assert!(!record.tokens_until.unwrap().is_over(Timestamp::MAX));
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.ends_with(r#""tokensUntil":"never"}"#), "{text}");
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }
}
