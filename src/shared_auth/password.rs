//! Passwords: bcrypt, off the async threads, a few at a time.
//!
//! bcrypt on every backend, since Apache and nginx read it from an htpasswd
//! file, and a user can be moved from one backend to another.

use std::sync::Arc;
use std::time::Duration;

use bcrypt::Version;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// 2^10 rounds: some 50 ms of one core.
const COST: u32 = 10;
/// A hash in somebody's file that costs more is not computed: it would take minutes.
const HIGHEST_COST: u32 = 15;
/// bcrypt reads no further, so whoever knows the beginning of a longer one would pass.
const LONGEST: usize = 72;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(15);
/// Of a password that nobody has: the same work is done for a user who is not there.
const OF_NOBODY: &str = "$2y$10$cBoYpWx7wSkvnp1DCmJhX.ehJms8TEDCQvvMNHMp9Mmb6I6Wyz1qC";

/// A password that bcrypt can take.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// # Errors
    /// A sentence for the client.
    pub fn new(text: String) -> Result<Self, &'static str> {
        match text.len() {
            0 => Err("the password is empty"),
            1..=LONGEST if text.contains('\0') => Err("the password has a NUL character"),
            1..=LONGEST => Ok(Self(text.into())),
            _ => Err("the password is longer than 72 bytes"),
        }
    }
}

/// Too many logins at a time; come back later.
#[derive(Debug, thiserror::Error)]
#[error("too many logins at a time")]
pub struct Busy;

/// One for each service: its turns bound the work.
#[derive(Debug)]
pub struct Hasher {
    turns: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { turns: Arc::new(Semaphore::new(cores)) }
    }
}

impl Hasher {
    /// `$2y$10$...`, with a new salt.
    ///
    /// # Errors
    /// [`Busy`] when no turn came in time.
    pub async fn hash(&self, password: &Password) -> Result<String, Busy> {
        let password = password.clone();
        self.work(move || {
            bcrypt::non_truncating_hash_with_result(password.0.expose_secret(), COST)
                .map(|parts| parts.format_for_version(Version::TwoY))
        })
        .await?
        .map_err(|_| Busy)
    }

    /// Whether `hash` is of this password; `None` and a hash of another kind
    /// take as long as a wrong password, and never fit.
    ///
    /// # Errors
    /// [`Busy`] when no turn came in time.
    pub async fn verify(&self, password: &Password, hash: Option<&str>) -> Result<bool, Busy> {
        let password = password.clone();
        let known = hash.filter(|hash| is_whole_bcrypt(hash)).map(str::to_owned);
        self.work(move || {
            let hash = known.as_deref().unwrap_or(OF_NOBODY);
            let fits = bcrypt::verify(password.0.expose_secret(), hash).unwrap_or(false);
            fits && known.is_some()
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let turn = tokio::time::timeout(PATIENCE, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| Busy)?.map_err(|_| Busy)?;
        let task = tokio::task::spawn_blocking(move || {
            // The turn goes back when the work is done, even if nobody waits any more.
            let _turn = turn;
            work()
        });
        task.await.map_err(|_| Busy)
    }
}

/// Whether it begins as a bcrypt hash does.
pub fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|kind| hash.starts_with(kind))
}

/// Whether it is one, to its end, and of a cost that can be borne.
pub fn is_whole_bcrypt(hash: &str) -> bool {
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"./".contains(&byte);
    is_bcrypt(hash)
        && hash.len() == 60
        && hash.as_bytes()[6] == b'$'
        && hash.bytes().skip(7).all(alphabet)
        && hash.get(4..6).and_then(|cost| cost.parse::<u32>().ok()).is_some_and(|cost| {
            // 4 is the least that bcrypt has.
            (4..=HIGHEST_COST).contains(&cost)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_only() {
        let hasher = Hasher::default();
        let hash = hasher.hash(&password("correct")).await.unwrap();
        assert!(hash.starts_with("$2y$10$") && is_whole_bcrypt(&hash), "{hash}");
        assert!(hasher.verify(&password("correct"), Some(&hash)).await.unwrap());
        assert!(!hasher.verify(&password("Correct"), Some(&hash)).await.unwrap());
        assert!(!hasher.verify(&password("correct"), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_foreign_or_damaged_hash_never_fits() {
        let hasher = Hasher::default();
        for hash in ["", "correct", "{SHA}abc", "$apr1$x$y", "$2y$10$short", "$2y$99$", "ü"] {
            assert!(!hasher.verify(&password("correct"), Some(hash)).await.unwrap(), "{hash}");
        }
        assert!(!is_whole_bcrypt(&OF_NOBODY.replace("$10$", "$31$")), "it would take for ever");
        assert!(!is_whole_bcrypt(&format!("{}ü", &OF_NOBODY[..58])));
    }

    #[test]
    fn what_bcrypt_would_cut_off_is_refused() {
        assert!(Password::new("x".repeat(72)).is_ok());
        for text in [String::new(), "x".repeat(73), "a\0b".to_owned(), "ü".repeat(37)] {
            assert!(Password::new(text).is_err());
        }
    }
}
