//! The public keys of the operator, in the same file format that the server uses.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use demo_base::error::Result;
use demo_base::files;
use demo_sqld::keys::{KeySet, PublicKey};
use demo_sqld::verifier::Verifier;

/// A trusted key.
pub struct Key {
    /// The `kid` in tokens that the mint signs with it.
    pub thumbprint: String,
    /// The parsed key.
    pub verifier: Verifier,
}

/// The currently trusted keys; clones share them.
#[derive(Clone)]
pub struct TrustedKeys(Arc<RwLock<Arc<[Key]>>>);

impl TrustedKeys {
    pub fn new(keys: &KeySet) -> Self {
        Self(Arc::new(RwLock::new(parsed(keys))))
    }

    /// The keys of the file `path`.
    ///
    /// # Errors
    /// Exit 5 when the file does not exist, exit 2 when the server would refuse it.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self::new(&key_set(path)?))
    }

    /// Replaces all trusted keys with those in the file `path`. Tokens of a key that is no
    /// longer there are refused from then on.
    ///
    /// # Errors
    /// As [`TrustedKeys::open`]; the trusted keys do not change then.
    pub fn read(&self, path: &Path) -> Result<()> {
        self.replace(&key_set(path)?);
        Ok(())
    }

    /// Replaces all trusted keys with `keys`. An empty set changes nothing.
    pub fn replace(&self, keys: &KeySet) {
        let (keys, before) = (parsed(keys), self.now());
        if keys.is_empty() {
            tracing::error!("the file has no keys; the previous keys stay in use");
            return;
        }
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
    Ok(KeySet::parse(&text, &path.display().to_string())?)
}

fn parsed(keys: &KeySet) -> Arc<[Key]> {
    let key = |key: &PublicKey| {
        let verifier = Verifier::ed25519(key.as_bytes())?;
        Some(Key { thumbprint: key.thumbprint(), verifier })
    };
    keys.0.iter().filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use demo_sqld::keys::SigningKey;

    #[test]
    fn l2_a_file_without_a_key_never_replaces_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt.pub");
        let (old, new) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        std::fs::write(&path, old.public().to_pem()).unwrap();
        let trusted = TrustedKeys::open(&path).unwrap();
        let thumbprint = old.public().thumbprint();
        let pem = new.public().to_pem();
        let weak = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        for text in [
            "",
            "\n",
            "# no key",
            "<html></html>",
            r#"{"keys":[]}"#,
            &pem[..pem.len() / 2],
            "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &format!("-----BEGIN PUBLIC KEY-----\n{weak}\n-----END PUBLIC KEY-----\n"),
            &"A".repeat(43),
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(trusted.read(&path).is_err(), "{text:?}");
            assert!(trusted.has(&thumbprint), "{text:?}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(trusted.read(&path).is_err() && trusted.has(&thumbprint));
        trusted.replace(&KeySet::default());
        assert!(trusted.has(&thumbprint), "an empty set replaced the keys");
        std::fs::write(&path, &pem).unwrap();
        trusted.read(&path).unwrap();
        assert!(!trusted.has(&thumbprint) && trusted.has(&new.public().thumbprint()));
    }
}
