//! Slows down password guessing by counting failures per user and address.
//!
//! Only failures count. At an address from which a user has logged in before, only the
//! user's own failures count, not those of others. Attempts for one user from one address
//! run one after another: a thousand at once gain nothing, and of very many right ones, the
//! last are asked to try again. Each instance counts separately, so N instances allow N
//! times as many attempts.

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

/// Failures of one user from one address: per minute on average, and at once.
const OF_PAIR: (u32, u32) = (6, 6);
/// The same for one address with any user.
const OF_ADDRESS: (u32, u32) = (60, 60);
/// The same for one user from any address. It is higher, so that locking a user out is hard.
const OF_USER: (u32, u32) = (120, 120);
/// Unknown tokens from one address, each of which costs a database query.
const OF_TOKENS: (u32, u32) = (3000, 3000);
/// How long an attempt waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many pairs of a user and an address with a login are remembered, and for how long
/// after the last use.
const REMEMBERED: u64 = 50_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Above this number of keys, those whose wait is over are forgotten.
const MANY_KEYS: usize = 10_000;

/// Why an attempt may not begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Slowed {
    /// Too many attempts for this user or from this address have failed; how long to wait.
    Failures(Duration),
    /// Earlier attempts are still running; they need not have failed.
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
    /// The addresses from which users have logged in or used a token.
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

    /// Remembers that the user was at this address, with a right password or a valid token:
    /// failures of others no longer stop the user there.
    pub fn remember(&self, user: &Username, peer: IpAddr) {
        let key = (user.clone(), network(peer));
        if self.remembered.get(&key).is_none() {
            self.remembered.insert(key, ());
        }
    }

    /// Checks whether a token from `peer` may be looked up.
    ///
    /// # Errors
    /// How long to wait, after too many unknown tokens.
    pub fn token(&self, peer: IpAddr) -> Result<(), Duration> {
        self.tokens.open(&network(peer))
    }

    /// Counts an unknown token.
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

/// A running attempt; the next one of the same user and address waits for it.
pub struct Attempt<'a> {
    throttle: &'a Throttle,
    key: (Username, IpAddr),
    _turn: OwnedMutexGuard<()>,
}

impl Attempt<'_> {
    /// Ends the attempt: the password was right.
    pub fn succeeded(self) {
        self.throttle.remember(&self.key.0, self.key.1);
    }

    /// Ends the attempt: the password was wrong.
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
        // The attempt that exceeds the limit still runs, and blocks the next one.
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
    async fn read_twenty_addresses_do_not_lock_out_a_user_at_a_known_address() {
        let throttle = Throttle::default();
        throttle.remember(&user("alice"), HOME);
        for last in 1..=40 {
            while guess(&throttle, "alice", IpAddr::from([10, 0, 0, last])).await {}
        }
        let elsewhere = IpAddr::from([10, 0, 0, 200]);
        assert!(throttle.attempt(&user("alice"), elsewhere).await.is_err());
        assert!(throttle.attempt(&user("alice"), HOME).await.is_ok());
        // Nor do others at the user's own address; the user's own failures still do.
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
    async fn waiting_too_long_for_others_is_not_a_failure() {
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
    async fn successful_attempts_are_never_slowed() {
        let throttle = Throttle::default();
        for _ in 0..1000 {
            drop(throttle.attempt(&user("alice"), HOME).await.unwrap());
        }
    }
}
