//! Logins with asymmetric keys, which the issuer publishes.
//!
//! The keys are fetched at the start, every ten minutes, and when a login names
//! one that is not known: by one request at a time, and not sooner than ten
//! seconds after the last (so nobody makes the mint flood the issuer). While the
//! issuer is away, or answers something in which there is no key to use, the last
//! good keys go on; a login with another key then gets 503, since nobody can say
//! whether it is good.

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

/// Between two regular fetches.
const REGULAR: Duration = Duration::from_secs(600);
/// Between two fetches that unknown keys ask for.
const SHORTEST: Duration = Duration::from_secs(10);
/// The same after one that failed, and how often an issuer that is away is tried.
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

/// The keys of one issuer, kept fresh.
pub struct Jwks {
    http: reqwest::Client,
    place: Place,
    /// `None` until the first time that they could be fetched.
    keys: RwLock<Option<Arc<Keys>>>,
    /// Counts the changes of `keys`.
    generation: AtomicU64,
    last: Mutex<Option<Attempt>>,
    shown: Shown,
}

/// What the metrics say of the issuer's keys.
#[derive(Clone, Default)]
pub struct Shown {
    /// How many are in use.
    keys: Gauge,
    /// 1 while the issuer's last answer could not be used, or there was none.
    stale: Gauge,
}

impl Shown {
    /// Shows them among `metrics`.
    pub fn register(&self, metrics: &Metrics) {
        metrics.register("issuer_keys", "Keys of the issuer that are in use", self.keys.clone());
        let help = "1 while the issuer gave no usable keys when it was last asked";
        metrics.register("issuer_keys_stale", help, self.stale.clone());
    }
}

/// Why there are no new keys.
#[derive(Debug, Eq, PartialEq)]
pub enum NoKeys {
    /// The issuer gave no document.
    NoAnswer(NoAnswer),
    /// Its `OpenID` configuration is none, or that of another issuer.
    Configuration,
    /// Its document has no key that can be used.
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

    /// What the metrics say.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Which set of keys is in use: what was verified with an older one must be
    /// verified again.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Verifies the signature of a login.
    ///
    /// # Errors
    /// As [`Keys::verify`]; `IssuerAway` where the issuer would have to be asked.
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

    /// Keeps the keys fresh for as long as it is polled.
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

    /// Asks the issuer, and keeps what it says.
    ///
    /// # Errors
    /// Why it gave no keys; those before stay.
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

    /// Asks after the attempt `before`; a failure is logged once, not each second.
    async fn fetch(&self, before: Option<Attempt>) -> Attempt {
        let outcome = self.ask().await;
        let first = before.is_none_or(|before| before.succeeded);
        match &outcome {
            Ok(keys) => tracing::info!(keys, "the issuer's keys were fetched"),
            Err(reason) if first => {
                tracing::warn!(?reason, "the issuer gave no usable keys; those before stay");
            }
            Err(reason) => tracing::debug!(?reason, "the issuer still gives no usable keys"),
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
