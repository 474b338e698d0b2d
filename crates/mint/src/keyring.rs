//! The private keys: one signs, the public halves of all are published.
//!
//! The files are watched ([`demo_service::file_watch`]), without a signal, so that this works in
//! containers too. If a file is damaged or is just being written, the keys do not change.
//!
//! To rotate the keys, first add the new public key beside the old one in the file of the
//! server and the gate (the server reads it only at startup). Then make the new private
//! key `keys.active`, and move the old one to `keys.more` until its last token has expired.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::jwk::JwkSet;
use zeroize::Zeroizing;

use super::config::KeysConfig;
use demo_base::error::Result;
use demo_base::files;
use demo_service::file_watch::follow_all;
use demo_sqld::keys::{PublicKey, SigningKey};
use demo_sqld::token::Signer;

/// The keys of the files that the configuration names.
pub struct Keyring {
    active: PathBuf,
    more: Vec<PathBuf>,
    keys: RwLock<Arc<Keys>>,
}

struct Keys {
    signer: Signer,
    /// The signer's key is the first.
    public: Vec<PublicKey>,
}

impl Keyring {
    /// Reads the keys.
    ///
    /// # Errors
    /// For a file that does not exist or has no Ed25519 private key, with its path.
    pub fn open(config: &KeysConfig) -> Result<Self> {
        let (active, more) = (config.active.clone(), config.more.clone());
        let keys = RwLock::new(Arc::new(read(&active, &more)?));
        Ok(Self { active, more, keys })
    }

    /// Calls `sign` with the current signer.
    pub fn with_signer<T>(&self, sign: impl FnOnce(&Signer) -> T) -> T {
        let keys = self.current();
        sign(&keys.signer)
    }

    /// The `kid` of the current signer.
    pub fn active_id(&self) -> String {
        self.current().public.first().map(PublicKey::thumbprint).unwrap_or_default()
    }

    /// The public halves, as a JWKS document (RFC 7517).
    pub fn document(&self) -> JwkSet {
        JwkSet { keys: self.current().public.iter().map(PublicKey::jwk).collect() }
    }

    /// Reads the files again when they change; never returns.
    pub async fn watch(&self) {
        let files: Vec<PathBuf> =
            std::iter::once(&self.active).chain(&self.more).cloned().collect();
        follow_all(&files, "keys", || {
            self.take(read(&self.active, &self.more)?);
            Ok(())
        })
        .await;
    }

    fn take(&self, keys: Keys) {
        if self.current().public == keys.public {
            return;
        }
        let count = keys.public.len();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        tracing::info!(kid = self.active_id(), keys = count, "the keys have changed");
    }

    fn current(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read(active: &PathBuf, more: &[PathBuf]) -> Result<Keys> {
    let key = |path: &PathBuf| -> Result<SigningKey> {
        let text = Zeroizing::new(files::read_text(path, "private key")?);
        Ok(SigningKey::from_pem(&text, &path.display().to_string())?)
    };
    let signer = key(active)?;
    let mut public = vec![signer.public()];
    for path in more {
        let known = key(path)?.public();
        if !public.contains(&known) {
            public.push(known);
        }
    }
    Ok(Keys { signer: Signer::new(&signer), public })
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn changed_files_are_used_and_damaged_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let key = SigningKey::generate().unwrap();
            std::fs::write(folder.path().join(name), key.to_pem().expose_secret()).unwrap();
            key.public().thumbprint()
        };
        let (first, old) = (write("a.key"), write("b.key"));
        let config = KeysConfig {
            active: folder.path().join("a.key"),
            more: vec![folder.path().join("b.key"), folder.path().join("a.key")],
        };
        let ring = Keyring::open(&config).unwrap();
        let document = serde_json::to_value(ring.document()).unwrap();
        let ids: Vec<&str> = document["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|k| k["kid"].as_str().unwrap())
            .collect();
        assert_eq!(ids, [first.as_str(), old.as_str()]);
        assert!(document["keys"][0].get("d").is_none());

        let second = write("a.key");
        ring.take(read(&ring.active, &ring.more).unwrap());
        assert_eq!(ring.active_id(), second);
        std::fs::write(&config.active, "-----BEGIN").unwrap();
        assert!(read(&ring.active, &ring.more).is_err());
    }
}
