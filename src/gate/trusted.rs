//! The public keys of the operator: a file, as the server has it.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::DecodingKey;

use crate::credentials::keys::{KeySet, PublicKey};
use crate::error::Result;
use crate::files;

/// A key that is trusted now.
pub struct Key {
    /// Its `kid` in tokens of ours.
    pub thumbprint: String,
    /// Parsed once.
    pub decoding: DecodingKey,
}

/// The keys as they are now; clones share them.
#[derive(Clone)]
pub struct Trusted(Arc<RwLock<Arc<[Key]>>>);

impl Trusted {
    pub fn new(keys: &KeySet) -> Self {
        Self(Arc::new(RwLock::new(parsed(keys))))
    }

    /// The keys of the file `path`.
    ///
    /// # Errors
    /// Exit 5 when there is no such file, exit 2 when the server would refuse it.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self::new(&key_set(path)?))
    }

    /// Takes what `path` holds for all that is trusted. A token of a key that is not
    /// there any more is good no longer.
    ///
    /// # Errors
    /// As [`Trusted::open`]; then nothing changes.
    pub fn read(&self, path: &Path) -> Result<()> {
        self.replace(&key_set(path)?);
        Ok(())
    }

    /// Takes `keys` for all that is trusted.
    pub fn replace(&self, keys: &KeySet) {
        let (keys, before) = (parsed(keys), self.now());
        if keys.iter().map(|key| &key.thumbprint).eq(before.iter().map(|key| &key.thumbprint)) {
            return;
        }
        let kids: Vec<&str> = keys.iter().map(|key| key.thumbprint.as_str()).collect();
        tracing::info!(?kids, "the trusted keys have changed");
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    pub fn now(&self) -> Arc<[Key]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the key with this thumbprint is trusted.
    pub fn has(&self, thumbprint: &str) -> bool {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().any(|key| key.thumbprint == thumbprint)
    }
}

fn key_set(path: &Path) -> Result<KeySet> {
    let text = files::read_text(path, "file with public keys")?;
    KeySet::parse(&text, &path.display().to_string())
}

fn parsed(keys: &KeySet) -> Arc<[Key]> {
    let key = |key: &PublicKey| Key {
        thumbprint: key.thumbprint(),
        decoding: DecodingKey::from_ed_der(key.as_bytes()),
    };
    keys.0.iter().map(key).collect()
}
