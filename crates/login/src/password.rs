//! Passwords: bcrypt, off the async threads, a few at a time.
//!
//! Every backend uses bcrypt, since Apache and nginx can read it from an htpasswd file, and
//! a user can be moved from one backend to another.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use bcrypt::Version;
use secrecy::{ExposeSecret, SecretString};

use super::turns::Turns;

/// 2^10 rounds, which take about 50 ms on one core.
const COST: u32 = 10;
/// A hash in an htpasswd file with a higher cost is refused: it would take minutes.
const HIGHEST_COST: u32 = 15;
/// bcrypt ignores further bytes, so that the beginning of a longer password would suffice.
const LONGEST: usize = 72;
/// The highest cost up to which the work is the same for all names: 2^12 rounds, about
/// 200 ms. A hash with a higher cost takes longer than an unknown name.
const LEVELLED_COST: u32 = 12;
/// A hash that no password matches, used to do the same work for an unknown user.
const OF_NOBODY: &str = "$2y$10$cBoYpWx7wSkvnp1DCmJhX.ehJms8TEDCQvvMNHMp9Mmb6I6Wyz1qC";

/// A password that bcrypt can use.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// Checks the length and content of a password.
    ///
    /// # Errors
    /// A message for the client.
    pub fn new(text: String) -> Result<Self, &'static str> {
        match text.len() {
            0 => Err("the password is empty"),
            1..=LONGEST if text.contains('\0') => Err("the password contains a NUL character"),
            1..=LONGEST => Ok(Self(text.into())),
            _ => Err("the password is longer than 72 bytes"),
        }
    }
}

/// Too many logins at once.
#[derive(Debug, thiserror::Error)]
#[error("too many logins at once")]
pub struct Busy;

/// The result of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Checked {
    Right,
    Wrong,
    /// Wrong, or an unknown name that was not checked because too many others wait.
    Crowded,
}

/// Computes hashes, a limited number at a time. Each service has one.
#[derive(Debug, Default)]
pub struct Hasher {
    turns: Turns,
    /// The cost to which every check is filled up; see [`Hasher::verify`].
    level: AtomicU32,
}

impl Hasher {
    /// A hash `$2y$10$...` with a new salt, for a client from `peer` that wants to register.
    ///
    /// # Errors
    /// [`Busy`] at once when too many strangers already wait.
    pub async fn hash_for_stranger(
        &self,
        peer: IpAddr,
        password: &Password,
    ) -> Result<String, Busy> {
        let place = self.turns.place(peer).ok_or(Busy)?;
        let stranger = place.turn().await?;
        let hash = self.hash(password).await;
        drop(stranger);
        hash
    }

    /// A hash `$2y$10$...` with a new salt.
    ///
    /// # Errors
    /// [`Busy`] when no slot is free in time.
    pub async fn hash(&self, password: &Password) -> Result<String, Busy> {
        let password = password.clone();
        self.turns
            .work(move || {
                bcrypt::non_truncating_hash_with_result(password.0.expose_secret(), COST)
                    .map(|parts| parts.format_for_version(Version::TwoY))
            })
            .await?
            .map_err(|_| Busy)
    }

    /// Whether `hash` matches this password. `None` and hashes of another kind take as
    /// long as a wrong password, and never match.
    ///
    /// A known user (`Some`) has priority. A wrong password then waits as long as an
    /// unknown name does, so that neither time nor answer tells them apart. Hashes with a
    /// lower cost than the highest one so far (from 10 up to `LEVELLED_COST`) are filled
    /// up to the same work.
    ///
    /// # Errors
    /// [`Busy`] when no slot is free in time.
    pub async fn verify(
        &self,
        peer: IpAddr,
        password: &Password,
        hash: Option<&str>,
    ) -> Result<Checked, Busy> {
        let place = self.turns.place(peer);
        let Some(hash) = hash else {
            let Some(place) = place else {
                // The refusal comes as late as that of a known user's wrong password.
                self.turns.pretend().await;
                return Ok(Checked::Crowded);
            };
            let stranger = place.turn().await?;
            self.check(password, None).await?;
            drop(stranger);
            return Ok(Checked::Wrong);
        };
        if self.check(password, Some(hash)).await? {
            return Ok(Checked::Right);
        }
        let Some(place) = place else { return Ok(Checked::Crowded) };
        drop(place.turn().await?);
        Ok(Checked::Wrong)
    }

    async fn check(&self, password: &Password, hash: Option<&str>) -> Result<bool, Busy> {
        let password = password.clone();
        let known = hash.filter(|hash| is_whole_bcrypt(hash)).map(str::to_owned);
        let cost = known.as_deref().and_then(cost_of).unwrap_or(COST);
        let seen = self.level.fetch_max(cost.clamp(COST, LEVELLED_COST), Ordering::Relaxed);
        let level = seen.max(cost.clamp(COST, LEVELLED_COST));
        self.turns
            .work(move || {
                let text = password.0.expose_secret();
                let fits = bcrypt::verify(text, known.as_deref().unwrap_or(OF_NOBODY));
                // 2^cost + 2^cost + 2^(cost + 1) + ... + 2^(level - 1) = 2^level.
                for cost in cost..level {
                    let filler = bcrypt::hash_with_salt(text, cost, [0; 16]);
                    std::hint::black_box(filler.is_ok());
                }
                fits.unwrap_or(false) && known.is_some()
            })
            .await
    }
}

fn cost_of(hash: &str) -> Option<u32> {
    hash.get(4..6)?.parse().ok()
}

/// Whether it begins like a bcrypt hash.
pub fn is_bcrypt(hash: &str) -> bool {
    ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|kind| hash.starts_with(kind))
}

/// Whether it is a complete bcrypt hash with an acceptable cost.
pub fn is_whole_bcrypt(hash: &str) -> bool {
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"./".contains(&byte);
    is_bcrypt(hash)
        && hash.len() == 60
        && hash.as_bytes()[6] == b'$'
        && hash.bytes().skip(7).all(alphabet)
        && cost_of(hash).is_some_and(|cost| {
            // 4 is bcrypt's lowest cost.
            (4..=HIGHEST_COST).contains(&cost)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn password(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    #[tokio::test]
    async fn a_hash_matches_only_its_password() {
        let hasher = Hasher::default();
        let hash = hasher.hash(&password("correct")).await.unwrap();
        assert!(hash.starts_with("$2y$10$") && is_whole_bcrypt(&hash), "{hash}");
        for (text, hash, expected) in [
            ("correct", Some(hash.as_str()), Checked::Right),
            ("Correct", Some(hash.as_str()), Checked::Wrong),
            ("correct", None, Checked::Wrong),
        ] {
            assert_eq!(hasher.verify(HOME, &password(text), hash).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_foreign_or_damaged_hash_never_matches() {
        let hasher = Hasher::default();
        for hash in ["", "correct", "{SHA}abc", "$apr1$x$y", "$2y$10$short", "$2y$99$", "ü"] {
            let checked = hasher.verify(HOME, &password("correct"), Some(hash)).await.unwrap();
            assert_eq!(checked, Checked::Wrong, "{hash}");
        }
        assert!(!is_whole_bcrypt(&OF_NOBODY.replace("$10$", "$31$")), "it would take too long");
        assert!(!is_whole_bcrypt(&format!("{}ü", &OF_NOBODY[..58])));
    }

    #[tokio::test]
    async fn m1_a_cheap_foreign_hash_takes_as_long_as_an_unknown_name() {
        let hasher = Hasher::default();
        let cheap = bcrypt::hash_with_salt("correct", 4, [1; 16]).unwrap().to_string();
        let mut times = [const { Vec::new() }; 2];
        for _ in 0..9 {
            for (hash, times) in [Some(cheap.as_str()), None].into_iter().zip(&mut times) {
                let began = std::time::Instant::now();
                let checked = hasher.verify(HOME, &password("wrong"), hash).await.unwrap();
                assert_eq!(checked, Checked::Wrong);
                times.push(began.elapsed());
            }
        }
        let [cheap, unknown] = times.map(|mut times| {
            times.sort();
            times[times.len() / 2]
        });
        assert!(cheap < unknown * 2 && unknown < cheap * 2, "{cheap:?} {unknown:?}");
    }

    #[test]
    fn passwords_that_bcrypt_would_cut_off_are_refused() {
        assert!(Password::new("x".repeat(72)).is_ok());
        for text in [String::new(), "x".repeat(73), "a\0b".to_owned(), "ü".repeat(37)] {
            assert!(Password::new(text).is_err());
        }
    }
}
