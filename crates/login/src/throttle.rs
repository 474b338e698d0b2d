//! Guessing passwords is slow: failures are counted for each user and address.
//!
//! Only failures count. Who has logged in from an address before is stopped there by
//! his own failures only, never by those of others. Attempts for one user from one address go one after the
//! other: a thousand at once gain nothing, and the last of very many right ones is
//! told to come back. Each instance counts for itself, so N instances allow N times as
//! many.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use super::name::Username;
use demo_service::limits::Limiter;
use demo_service::peer::network;

/// Failures a minute in the long run, and at once: of one user from one address,
const OF_PAIR: (u32, u32) = (6, 6);
/// of one address whatever the user,
const OF_ADDRESS: (u32, u32) = (60, 60);
/// of one user whatever the address: higher, or anyone could lock him out.
const OF_USER: (u32, u32) = (120, 120);
/// Tokens that nobody has, from one address: each costs a look into the database.
const OF_TOKENS: (u32, u32) = (3000, 3000);
/// How long an attempt waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Users with the addresses from which they have logged in: so many, for so long after
/// the last time.
const REMEMBERED: u64 = 50_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Above this many keys, those whose wait is over are forgotten.
const MANY_KEYS: usize = 10_000;

/// Why an attempt may not begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Slowed {
    /// Too many have failed, of this user or from this address; how long to wait.
    Failures(Duration),
    /// Those before it are still under way; none need have failed.
    Queue,
}

type Turn = Arc<tokio::sync::Mutex<()>>;

/// The counters of one instance.
pub struct Throttle {
    pairs: Counter<(Username, IpAddr)>,
    addresses: Counter<IpAddr>,
    users: Counter<Username>,
    tokens: Counter<IpAddr>,
    turns: Mutex<HashMap<(Username, IpAddr), Turn>>,
    /// From where users have logged in, or used a token.
    remembered: moka::sync::Cache<(Username, IpAddr), ()>,
    patience: Duration,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            pairs: Counter::new(OF_PAIR),
            addresses: Counter::new(OF_ADDRESS),
            users: Counter::new(OF_USER),
            tokens: Counter::new(OF_TOKENS),
            turns: Mutex::default(),
            remembered: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_idle(REMEMBERED_FOR)
                .build(),
            patience: PATIENCE,
        }
    }
}

impl Throttle {
    /// Lets one attempt begin.
    ///
    /// # Errors
    /// Why it may not.
    pub async fn attempt(&self, user: &Username, peer: IpAddr) -> Result<Attempt<'_>, Slowed> {
        let key = (user.clone(), network(peer));
        let turn = self.turn(&key);
        let turn = tokio::time::timeout(self.patience, turn.lock_owned()).await;
        let turn = turn.map_err(|_elapsed| Slowed::Queue)?;
        if self.remembered.get(&key).is_none() {
            let open = self.addresses.open(&key.1).and_then(|()| self.users.open(&key.0));
            open.map_err(Slowed::Failures)?;
        }
        self.pairs.open(&key).map_err(Slowed::Failures)?;
        Ok(Attempt { throttle: self, key, _turn: turn })
    }

    /// The user was seen at this address, with a password or a token that is right:
    /// others' failures do not stop him there any more.
    pub fn remember(&self, user: &Username, peer: IpAddr) {
        let key = (user.clone(), network(peer));
        if self.remembered.get(&key).is_none() {
            self.remembered.insert(key, ());
        }
    }

    /// Whether an unknown token from there may be looked for.
    ///
    /// # Errors
    /// How long to wait before the next one.
    pub fn token(&self, peer: IpAddr) -> Result<(), Duration> {
        self.tokens.open(&network(peer))
    }

    /// Counts a token that nobody has.
    pub fn unknown_token(&self, peer: IpAddr) {
        self.tokens.failed(&network(peer));
    }

    fn turn(&self, key: &(Username, IpAddr)) -> Turn {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() > MANY_KEYS {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        turns.entry(key.clone()).or_default().clone()
    }
}

/// An attempt under way; the next one of the same user and address waits for it.
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    key: (Username, IpAddr),
    _turn: OwnedMutexGuard<()>,
}

impl Attempt<'_> {
    /// The password was right.
    pub fn succeeded(self) {
        self.throttle.remember(&self.key.0, self.key.1);
    }

    /// The password was wrong.
    pub fn failed(self) {
        self.throttle.addresses.failed(&self.key.1);
        self.throttle.users.failed(&self.key.0);
        self.throttle.pairs.failed(&self.key);
    }
}

/// Failures of one kind of key.
struct Counter<K: Clone + Eq + Hash> {
    limiter: Limiter<K>,
    closed: Mutex<HashMap<K, Instant>>,
}

impl<K: Clone + Eq + Hash> Counter<K> {
    fn new((per_minute, burst): (u32, u32)) -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let limiter = Limiter::per_minute(number(per_minute), number(burst));
        Self { limiter, closed: Mutex::default() }
    }

    fn open(&self, key: &K) -> Result<(), Duration> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match closed.get(key).map(|until| until.saturating_duration_since(now)) {
            Some(wait) if !wait.is_zero() => return Err(wait),
            Some(_) => drop(closed.remove(key)),
            None => {}
        }
        Ok(())
    }

    fn failed(&self, key: &K) {
        let Err(wait) = self.limiter.admit(key) else { return };
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if closed.len() > MANY_KEYS {
            closed.retain(|_, until| *until > now);
        }
        closed.insert(key.clone(), now + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn user(name: &str) -> Username {
        name.parse().unwrap()
    }

    async fn guess(throttle: &Throttle, name: &str, peer: IpAddr) -> bool {
        match throttle.attempt(&user(name), peer).await {
            Ok(attempt) => {
                attempt.failed();
                true
            }
            Err(slowed) => {
                assert!(matches!(slowed, Slowed::Failures(wait) if !wait.is_zero()), "{slowed:?}");
                false
            }
        }
    }

    #[tokio::test]
    async fn guessing_one_password_is_slowed_and_others_are_not() {
        let throttle = Throttle::default();
        let mut tried = 0;
        while guess(&throttle, "alice", HOME).await {
            tried += 1;
        }
        // The one that passes the limit closes the door behind it.
        assert_eq!(tried, OF_PAIR.1 + 1);
        assert!(throttle.attempt(&user("bob"), HOME).await.is_ok());
        let elsewhere = "192.0.2.1".parse().unwrap();
        assert!(throttle.attempt(&user("alice"), elsewhere).await.is_ok());
    }

    #[tokio::test]
    async fn one_address_cannot_try_every_user() {
        let throttle = Throttle::default();
        let mut tried = 0;
        while guess(&throttle, &format!("user-{tried}"), HOME).await {
            tried += 1;
        }
        assert_eq!(tried, OF_ADDRESS.1 + 1);
    }

    #[tokio::test]
    async fn read_twenty_addresses_do_not_lock_out_a_user_where_he_has_logged_in() {
        let throttle = Throttle::default();
        throttle.remember(&user("alice"), HOME);
        for last in 1..=40 {
            while guess(&throttle, "alice", IpAddr::from([10, 0, 0, last])).await {}
        }
        let elsewhere = IpAddr::from([10, 0, 0, 200]);
        assert!(throttle.attempt(&user("alice"), elsewhere).await.is_err());
        assert!(throttle.attempt(&user("alice"), HOME).await.is_ok());
        // Nor do others at his own address; his own failures still do.
        let mut number = 0;
        while guess(&throttle, &format!("user-{number}"), HOME).await {
            number += 1;
        }
        let mut tried = 0;
        while guess(&throttle, "alice", HOME).await {
            tried += 1;
        }
        assert_eq!(tried, OF_PAIR.1 + 1);
    }

    #[tokio::test]
    async fn many_at_once_gain_nothing() {
        let throttle = Throttle::default();
        let guesses = (0..100).map(|_| guess(&throttle, "alice", HOME));
        let tried = futures::future::join_all(guesses).await.into_iter().filter(|let_in| *let_in);
        assert_eq!(tried.count(), OF_PAIR.1 as usize + 1);
    }

    #[tokio::test]
    async fn who_waits_too_long_for_others_has_not_failed() {
        let throttle = Throttle { patience: Duration::from_millis(20), ..Throttle::default() };
        let first = throttle.attempt(&user("alice"), HOME).await.unwrap();
        for _ in 0..OF_PAIR.1 + 2 {
            assert_eq!(throttle.attempt(&user("alice"), HOME).await.err(), Some(Slowed::Queue));
        }
        assert!(throttle.attempt(&user("bob"), HOME).await.is_ok());
        drop(first);
        assert!(throttle.attempt(&user("alice"), HOME).await.is_ok());
    }

    #[tokio::test]
    async fn success_is_never_slowed() {
        let throttle = Throttle::default();
        for _ in 0..1000 {
            drop(throttle.attempt(&user("alice"), HOME).await.unwrap());
        }
    }
}
