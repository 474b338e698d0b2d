//! The temporary user of the benchmark.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Error;
use crate::name::Username;
use crate::profile::Profile;
use crate::store::{Registered, Store};
use crate::tokens::{Presented, Terms, TokenRecord};
use demo_base::error::Result;
use demo_base::random;

/// The prefix of all their names.
pub const PREFIX: &str = "demo-bench-";
/// No password has this hash, so nobody can log in.
const NO_HASH: &str = "!";
/// The lifetime of the tokens, in case a run is killed and cannot remove them.
const LIFETIME: Duration = Duration::from_hours(24);

/// A user with tokens to look up and to revoke.
#[derive(Clone)]
pub struct BenchUser {
    pub store: Arc<Store>,
    pub name: Username,
}

/// All registered bench users, so that they can be removed.
#[derive(Default)]
pub struct Guests(Mutex<Vec<BenchUser>>);

impl Guests {
    /// Registers a new user. `max_users` does not apply, since the operator runs the
    /// benchmark.
    ///
    /// # Errors
    /// [`Error::NotRegistered`]; [`Error::StoppedAnswering`].
    pub async fn enter(&self, store: Arc<Store>) -> Result<BenchUser> {
        let bench_user = BenchUser { store, name: random_name()? };
        // Noted before the call: if the call is cancelled, the user may exist.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(bench_user.clone());
        let registered = bench_user
            .store
            .register(&bench_user.name, NO_HASH, &Profile::default(), u64::MAX)
            .await;
        match registered.map_err(Error::StoppedAnswering)? {
            Registered::Done => Ok(bench_user),
            Registered::Taken | Registered::Full => {
                Err(Error::NotRegistered { user: bench_user.name }.into())
            }
        }
    }

    /// Removes all bench users, with their tokens.
    ///
    /// # Errors
    /// [`Error::NotRemoved`] with the name of a user that is left.
    pub async fn leave(self) -> Result<(), Error> {
        let mut outcome = Ok(());
        for bench_user in self.0.into_inner().unwrap_or_else(PoisonError::into_inner) {
            if let Err(source) = bench_user.store.remove(&bench_user.name).await {
                outcome = Err(Error::NotRemoved { user: bench_user.name, source });
            }
        }
        outcome
    }
}

impl BenchUser {
    /// Creates `count` new tokens.
    ///
    /// # Errors
    /// [`Error::StoppedAnswering`].
    pub async fn tokens(&self, count: usize) -> Result<Vec<Presented>> {
        let mut tokens = Vec::with_capacity(count);
        // One after another: on a busy machine, several writers at once may get
        // SQLITE_BUSY (sqld 0.24.32).
        for _ in 0..count {
            tokens.push(self.token().await?);
        }
        Ok(tokens)
    }

    async fn token(&self) -> Result<Presented> {
        let terms = Terms { lifetime: Some(LIFETIME), ..Terms::default() };
        let (token, record) = TokenRecord::issue(&self.name, terms)?;
        self.store.add_token(&record).await.map_err(Error::StoppedAnswering)?;
        Ok(token)
    }
}

fn random_name() -> Result<Username> {
    Ok(format!("{PREFIX}{}", random::name()?).parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Backend, Config, Files};

    #[tokio::test]
    async fn a_bench_user_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            htpasswd: folder.path().join("htpasswd"),
            tokens: folder.path().join("tokens.db"),
        };
        let config = Config::of(Backend::Local(files.clone()));
        let store = Arc::new(Store::open(&config).await.unwrap());
        let guests = Guests::default();
        let bench_user = guests.enter(store.clone()).await.unwrap();
        let tokens = bench_user.tokens(3).await.unwrap();
        assert!(store.look_up(&tokens[2]).await.unwrap().is_some());
        guests.leave().await.unwrap();
        assert!(store.look_up(&tokens[2]).await.unwrap().is_none());
        assert!(store.tokens_of(&bench_user.name).await.unwrap().is_empty());
        assert_eq!(std::fs::read_to_string(&files.htpasswd).unwrap(), "");
    }
}
