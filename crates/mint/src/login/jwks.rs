//! Verifies logins with public keys that the issuer publishes.
//!
//! The keys are fetched at startup, every ten minutes, and when a login names an unknown
//! key. There is one request at a time, and at least ten seconds between two of them, so
//! that clients cannot make the mint flood the issuer. While the issuer does not answer, or
//! its answer has no usable key, the last good keys stay in use. A login with another key
//! then gets 503, since it cannot be verified.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use reqwest::Url;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval};

use super::fetch::{self, NoAnswer};
use super::jwk::{Keys, Unusable};
use crate::refusal::Refusal;
use demo_base::error::Result;
use demo_service::observe::Metrics;
use demo_sqld::jws::Jws;
use demo_sqld::strict_json;

/// The time between two regular fetches.
const REGULAR: Duration = Duration::from_secs(600);
/// The shortest time between two fetches for unknown keys.
const SHORTEST: Duration = Duration::from_secs(10);
/// The same after a failed fetch, and the time between retries.
const RETRY: Duration = Duration::from_secs(1);

/// Where the address of the keys comes from.
enum Place {
    Jwks(Url),
    /// The issuer's `OpenID` configuration, and the issuer that it must name.
    Discovery {
        url: Url,
        issuer: String,
    },
}

/// The keys of one issuer, kept up to date.
pub struct Jwks {
    http: reqwest::Client,
    place: Place,
    /// `None` until they are first fetched.
    keys: RwLock<Option<Arc<Keys>>>,
    /// Counts the changes of `keys`.
    generation: AtomicU64,
    last: Mutex<Option<Attempt>>,
    shown: Shown,
}

/// The metrics about the issuer's keys.
#[derive(Clone, Default)]
pub struct Shown {
    /// How many keys are in use.
    keys: Gauge,
    /// 1 if the last fetch gave no usable keys.
    stale: Gauge,
}

impl Shown {
    /// Registers them with `metrics`.
    pub fn register(&self, metrics: &Metrics) {
        metrics.register("issuer_keys", "Keys of the issuer that are in use", self.keys.clone());
        let help = "1 if the last request to the issuer gave no usable keys";
        metrics.register("issuer_keys_stale", help, self.stale.clone());
    }
}

/// Why there are no new keys.
#[derive(Debug, Eq, PartialEq)]
pub enum NoKeys {
    /// The issuer returned no document.
    NoAnswer(NoAnswer),
    /// Its `OpenID` configuration is not valid, or is that of another issuer.
    Configuration,
    /// Its document has no usable key.
    Unusable(Unusable),
}

#[derive(Clone, Copy)]
struct Attempt {
    at: Instant,
    succeeded: bool,
}

impl Attempt {
    fn rests(self) -> bool {
        self.at.elapsed() < if self.succeeded { SHORTEST } else { RETRY }
    }
}

impl Jwks {
    /// The keys at `url`; nothing is fetched yet.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    pub fn at(url: Url) -> Result<Self> {
        Ok(Self::new(fetch::client(&url)?, Place::Jwks(url)))
    }

    /// The keys that the `OpenID` configuration of `issuer`, at `url`, names
    /// (`OpenID` Connect Discovery, section 4).
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    pub fn of_issuer(url: Url, issuer: String) -> Result<Self> {
        Ok(Self::new(fetch::client(&url)?, Place::Discovery { url, issuer }))
    }

    fn new(http: reqwest::Client, place: Place) -> Self {
        let (keys, last) = (RwLock::new(None), Mutex::new(None));
        let shown = Shown::default();
        Self { http, place, keys, generation: AtomicU64::new(0), last, shown }
    }

    /// The metrics.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Counts changes of the keys: a login that was verified with an older set must be
    /// verified again.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Verifies the signature of a login.
    ///
    /// # Errors
    /// As [`Keys::verify`]; `IssuerAway` when the issuer is needed but cannot be asked.
    pub async fn verify(&self, login: &Jws<'_>) -> Result<(), Refusal> {
        if let Some(keys) = self.current() {
            match keys.verify(login) {
                Err(Refusal::UnknownKey) => {}
                verdict => return verdict,
            }
        }
        let mut last = self.last.lock().await;
        if !last.is_some_and(Attempt::rests) {
            *last = Some(self.fetch(*last).await);
        }
        let reached = last.is_some_and(|last| last.succeeded);
        drop(last);
        match self.current().map(|keys| keys.verify(login)) {
            None => Err(Refusal::IssuerAway),
            Some(Err(Refusal::UnknownKey)) if !reached => Err(Refusal::IssuerAway),
            Some(verdict) => verdict,
        }
    }

    /// Keeps the keys up to date; never returns.
    pub async fn keep_fresh(&self) {
        let mut ticks = interval(RETRY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let mut last = self.last.lock().await;
            let due = last.is_none_or(|last| !last.succeeded || last.at.elapsed() >= REGULAR);
            if due && !last.is_some_and(Attempt::rests) {
                *last = Some(self.fetch(*last).await);
            }
        }
    }

    /// Fetches the issuer's keys and uses them.
    ///
    /// # Errors
    /// Why there are no new keys; the previous ones stay in use.
    pub async fn ask(&self) -> Result<usize, NoKeys> {
        let document = self.document().await?;
        let keys = Keys::parse(&document).map_err(NoKeys::Unusable)?;
        let count = keys.len();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.shown.keys.set(count.try_into().unwrap_or(i64::MAX));
        Ok(count)
    }

    fn current(&self) -> Option<Arc<Keys>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the keys after the attempt `before`; of repeated failures, only the first one
    /// is a warning.
    async fn fetch(&self, before: Option<Attempt>) -> Attempt {
        let outcome = self.ask().await;
        let first = before.is_none_or(|before| before.succeeded);
        match &outcome {
            Ok(keys) => tracing::info!(keys, "the issuer's keys were fetched"),
            Err(reason) if first => {
                tracing::warn!(?reason, "no usable keys from the issuer; the old ones stay in use");
            }
            Err(reason) => tracing::debug!(?reason, "still no usable keys from the issuer"),
        }
        self.shown.stale.set(outcome.is_err().into());
        Attempt { at: Instant::now(), succeeded: outcome.is_ok() }
    }

    async fn document(&self) -> Result<Vec<u8>, NoKeys> {
        let jwks = match &self.place {
            Place::Jwks(url) => url.clone(),
            Place::Discovery { url, issuer } => {
                let body = fetch::body(self.http.get(url.clone())).await;
                address(&body.map_err(NoKeys::NoAnswer)?, issuer).ok_or(NoKeys::Configuration)?
            }
        };
        fetch::body(self.http.get(jwks)).await.map_err(NoKeys::NoAnswer)
    }
}

/// The address of the keys in an `OpenID` configuration of `issuer`.
fn address(document: &[u8], issuer: &str) -> Option<Url> {
    let configuration = strict_json::object(document).ok()?;
    let text = |name: &str| configuration.get(name).and_then(Value::as_str);
    let url = crate::values::IssuerUrl::try_from(text("jwks_uri")?.to_owned()).ok()?;
    (text("issuer")? == issuer).then_some(url.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_of_another_issuer_is_refused() {
        let text = br#"{"issuer":"https://a.example","jwks_uri":"https://a.example/keys","x":1}"#;
        assert_eq!(address(text, "https://a.example").unwrap().as_str(), "https://a.example/keys");
        assert!(address(text, "https://a.example/").is_none());
        let plain = br#"{"issuer":"https://a.example","jwks_uri":"http://a.example/keys"}"#;
        assert!(address(plain, "https://a.example").is_none());
        assert!(address(b"<html>", "https://a.example").is_none());
    }
}
