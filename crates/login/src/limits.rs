//! Limits on registrations and tokens, as configured.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

use super::tokens::{Terms, TokenRecord};
use demo_service::peer::TrustedProxies;

/// The default: a year.
const MAX_AGE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// All limits.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub registrations: Registrations,
    pub tokens: TokenLimits,
    pub trusted_proxies: TrustedProxies,
}

/// How many users may be registered from one address (IPv6: from one /64).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Registrations {
    /// On average.
    pub per_minute: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

impl Default for Registrations {
    fn default() -> Self {
        let one = NonZeroU32::MIN;
        Self { per_minute: one.saturating_add(9), burst: one.saturating_add(19) }
    }
}

/// How long tokens are valid, and how many a user may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenLimits {
    /// Counted from the creation of each token, including existing ones.
    pub max_age: Duration,
    /// One more token replaces the oldest.
    pub per_user: NonZeroU32,
}

impl Default for TokenLimits {
    fn default() -> Self {
        Self { max_age: MAX_AGE, per_user: NonZeroU32::MIN.saturating_add(99) }
    }
}

impl TokenLimits {
    /// When `token` expires, in milliseconds since 1970: at its own expiry or at `max_age`,
    /// whichever is sooner.
    pub fn end_of(&self, token: &TokenRecord) -> i64 {
        let age = i64::try_from(self.max_age.as_millis()).unwrap_or(i64::MAX);
        let end = token.created.saturating_add(age);
        token.expires.map_or(end, |own| own.min(end))
    }

    /// `terms` with a lifetime of at most `max_age`.
    pub fn bound(&self, mut terms: Terms) -> Terms {
        terms.lifetime = Some(terms.lifetime.map_or(self.max_age, |own| own.min(self.max_age)));
        terms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l5_every_token_expires_even_one_without_an_expiry_of_its_own() {
        let terms = TokenLimits::default().bound(Terms::default());
        assert_eq!(terms.lifetime, Some(MAX_AGE));
        let limits = TokenLimits { max_age: Duration::from_secs(60), ..TokenLimits::default() };
        let user = "alice".parse().unwrap();
        let (_, mut token) = TokenRecord::issue(&user, Terms::default()).unwrap();
        assert_eq!(token.expires, None);
        assert_eq!(limits.end_of(&token), token.created + 60_000);
        token.expires = Some(token.created + 1);
        assert_eq!(limits.end_of(&token), token.created + 1);
    }
}
