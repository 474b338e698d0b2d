//! Bearer tokens: what the client holds, and the digest that is stored.
//!
//! A token is `demo_ID_SECRET`. The id is not secret: it identifies the row, and the
//! lists show it. The secret has 256 random bits, so a single SHA-256 is a sufficient
//! hash; the digest is compared in constant time.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ipnet::IpNet;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::name::Username;
use crate::Error;
use demo_base::error::Result;
use demo_base::hex;

const PREFIX: &str = "demo_";
const ID_BYTES: usize = 12;
const SECRET_BYTES: usize = 32;

/// A token as a client sends it: well-formed, but not yet known to be valid.
#[derive(Clone, Debug)]
pub struct Presented {
    id: String,
    whole: SecretString,
}

impl Presented {
    /// Parses a token. `None` for text that cannot be a token of this service, so that no
    /// database is queried for it.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let whole = id.len() == 2 * ID_BYTES
            && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && URL_SAFE_NO_PAD.decode(secret).is_ok_and(|bytes| bytes.len() == SECRET_BYTES);
        whole.then(|| Self { id: id.to_owned(), whole: text.into() })
    }

    /// The public half.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole token, for its owner.
    pub fn expose(&self) -> &str {
        self.whole.expose_secret()
    }

    fn digest(&self) -> String {
        hex::encode(&Sha256::digest(self.whole.expose_secret().as_bytes()))
    }
}

/// The properties of a token, apart from its user.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// The user's name for it.
    pub label: Option<String>,
    pub readonly: bool,
    /// The networks from which it may be used; any if empty.
    pub cidrs: Vec<IpNet>,
    pub lifetime: Option<Duration>,
}

/// A token as it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenRecord {
    pub id: String,
    pub user: String,
    /// SHA-256 of the whole token, in hexadecimal.
    pub digest: String,
    pub label: Option<String>,
    pub readonly: bool,
    pub cidrs: Vec<IpNet>,
    /// Milliseconds since 1970.
    pub created: i64,
    pub expires: Option<i64>,
}

impl TokenRecord {
    /// A new token for `user`, and its record to store.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn issue(user: &Username, terms: Terms) -> Result<(Presented, Self)> {
        let mut bytes = [0; ID_BYTES + SECRET_BYTES];
        demo_base::random::fill(&mut bytes)?;
        let (id, secret) = bytes.split_at(ID_BYTES);
        let id = hex::encode(id);
        let whole = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
        let token = Presented { id: id.clone(), whole: whole.into() };
        let created = now();
        let lifetime = terms.lifetime.map(|time| i64::try_from(time.as_millis()));
        let record = Self {
            id,
            user: user.as_str().to_owned(),
            digest: token.digest(),
            label: terms.label,
            readonly: terms.readonly,
            cidrs: terms.cidrs,
            created,
            expires: lifetime.map(|time| created.saturating_add(time.unwrap_or(i64::MAX))),
        };
        Ok((token, record))
    }

    /// Whether this is the record of `token`, and it has not expired.
    pub fn admits(&self, token: &Presented) -> bool {
        let same = self.digest.as_bytes().ct_eq(token.digest().as_bytes());
        bool::from(same) && self.expires.is_none_or(|expires| now() < expires)
    }

    /// Whether it may be used from `address`.
    pub fn admits_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.cidrs.is_empty() || self.cidrs.iter().any(|cidr| cidr.contains(&address))
    }

    /// What a list shows: the beginning of the token, without the secret.
    pub fn shown(&self) -> String {
        format!("{PREFIX}{}", self.id)
    }

    /// The networks as the databases store them.
    pub fn cidrs_text(&self) -> String {
        self.cidrs.iter().map(IpNet::to_string).collect::<Vec<_>>().join(",")
    }
}

/// The reverse of [`TokenRecord::cidrs_text`].
///
/// # Errors
/// [`Error::DamagedNetworks`] for an invalid network: its token must not become valid
/// everywhere.
pub fn parse_cidrs(text: &str) -> Result<Vec<IpNet>, Error> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts.map(|part| part.parse().map_err(Error::DamagedNetworks)).collect()
}

/// Milliseconds since 1970.
pub fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// A time as npm writes it: `2026-01-02T03:04:05.678Z`.
pub fn moment(milliseconds: i64) -> String {
    let moment = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX);
    format!("{moment:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(terms: Terms) -> (Presented, TokenRecord) {
        TokenRecord::issue(&"alice".parse().unwrap(), terms).unwrap()
    }

    #[test]
    fn a_token_is_recognised_by_its_digest_alone() {
        let (token, record) = issue(Terms::default());
        let (other, _) = issue(Terms::default());
        assert!(record.admits(&Presented::parse(token.expose()).unwrap()));
        assert!(!record.admits(&other));
        let forged = format!("{}_{}", record.shown(), other.expose().rsplit_once('_').unwrap().1);
        assert!(Presented::parse(&forged).is_none_or(|forged| !record.admits(&forged)));
        let secret = &token.expose()[record.shown().len() + 1..];
        assert!(!format!("{record:?} {token:?}").contains(secret), "a secret is shown");
    }

    #[test]
    fn malformed_tokens_are_not_looked_up() {
        let (token, _) = issue(Terms::default());
        let whole = token.expose();
        let cut = &whole[..whole.len() - 1];
        let loud = whole.to_uppercase();
        for text in ["", "demo_", "npm_x", "demo_x_y", cut, &loud, &format!("{whole}x")] {
            assert!(Presented::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_expired_token_is_not_valid() {
        let terms = Terms { lifetime: Some(Duration::from_secs(60)), ..Terms::default() };
        let (token, mut record) = issue(terms);
        assert_eq!(record.expires, Some(record.created + 60_000));
        assert!(record.admits(&token));
        record.expires = Some(now());
        assert!(!record.admits(&token));
    }

    #[test]
    fn a_token_for_networks_is_valid_only_there() {
        let terms = Terms { cidrs: parse_cidrs("10.0.0.0/8,::1/128").unwrap(), ..Terms::default() };
        let (_, record) = issue(terms);
        assert_eq!(parse_cidrs(&record.cidrs_text()).unwrap(), record.cidrs);
        for (address, good) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("::1", true), ("11.0.0.1", false)]
        {
            assert_eq!(record.admits_address(address.parse().unwrap()), good, "{address}");
        }
        assert!(parse_cidrs("10.0.0.0/8,damaged").is_err());
    }

    #[test]
    fn moments_are_written_as_npm_does() {
        assert_eq!(moment(1_700_000_000_000), "2023-11-14T22:13:20.000Z");
    }
}
