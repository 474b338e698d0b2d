//! The project's own token: full access, renewed before it expires.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::{Action, Change, Store, present, read_bytes, settle_mode};
use demo_base::error::Result;
use demo_base::files::{MODE_SECRET, write_atomic};
use demo_sqld::claims::Grant;
use demo_sqld::moment;
use demo_sqld::token::{inspect, mint};

/// Lifetime of the token.
const LIFE: Duration = Duration::from_hours(24);
/// A token that expires within this time is renewed now, so that it does not expire during the next
/// command.
const LAST_HOUR: Duration = Duration::from_hours(1);

impl Store {
    pub(super) fn settle_token(
        &self,
        now: Timestamp,
        force: bool,
        changes: &mut Vec<Change>,
    ) -> Result<()> {
        let path = self.token_path();
        let there = present(&path)?;
        let why = if there && !force { self.token_problem(now)? } else { None };
        let action = match (there, force, &why) {
            (false, ..) => Action::Created,
            (true, true, _) => Action::Replaced,
            (true, false, Some(_)) => Action::Renewed,
            (true, false, None) => return Ok(settle_mode(&path, MODE_SECRET, changes)?),
        };
        let token = mint(&self.signing_key()?, &Grant::full(LIFE).claims(now))?;
        write_atomic(&path, token.expose_secret().as_bytes(), MODE_SECRET)?;
        changes.push(Change { what: "token".to_owned(), path, action, why });
        Ok(())
    }

    fn token_problem(&self, now: Timestamp) -> Result<Option<String>> {
        let bytes = read_bytes(&self.token_path(), "token")?;
        let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
        let Ok(inspection) = inspect(&text, &self.key_set()?, now) else {
            return Ok(Some("it was not a token".to_owned()));
        };
        if let Some(reason) = inspection.reason {
            return Ok(Some(reason));
        }
        let soon = now.checked_add(LAST_HOUR).unwrap_or(Timestamp::MAX);
        let ending = inspection.expires.filter(|end| *end <= soon);
        Ok(ending.map(|end| format!("it {}", moment::expiry(end, now))))
    }
}
