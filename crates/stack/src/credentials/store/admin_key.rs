//! The key of the Admin API, made at random for each project.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::{Action, Change, Store, lock, present, read, settle_mode};
use crate::credentials::Error;
use demo_base::error::Result;
use demo_base::files::{self, MODE_SECRET, MODE_SECRET_DIR, write_atomic};
use demo_base::hex;

/// As many bytes as an AES-256 key has.
const BYTES: usize = 32;

/// A new key, in hexadecimal, since it is sent in a header unencoded.
///
/// # Errors
/// [`demo_base::Error::NoRandomBytes`].
pub fn generate() -> Result<SecretString, demo_base::Error> {
    let mut bytes = zeroize::Zeroizing::new([0; BYTES]);
    demo_base::random::fill(bytes.as_mut_slice())?;
    Ok(hex::encode(bytes.as_slice()).into())
}

impl Store {
    /// The file with the key of the Admin API, mode 0600.
    pub fn admin_key_path(&self) -> PathBuf {
        self.local.join("admin/admin.key")
    }

    /// The key of the Admin API, if there is one that this user may read.
    ///
    /// # Errors
    /// [`Error::NoAdminKey`]; as [`Store::signing_key`] for a file that cannot be read.
    pub fn admin_key(&self) -> Result<Option<SecretString>> {
        let path = self.admin_key_path();
        match std::fs::File::open(&path) {
            // A user that may not read the file works without the key.
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
                ) =>
            {
                return Ok(None);
            }
            _ => {}
        }
        let text = read(&path, "Admin key")?;
        let key = text.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::NoAdminKey { path }.into());
        }
        Ok(Some(key.into()))
    }

    /// Stores `key` for the Admin API unless one is stored already; with `force` it is replaced.
    ///
    /// # Errors
    /// [`demo_base::Error`] or [`Error::Refused`] when the file cannot be written.
    pub fn ensure_admin_key(&self, key: &SecretString, force: bool) -> Result<Vec<Change>> {
        let path = self.admin_key_path();
        files::create_dir(&self.local, MODE_SECRET_DIR)?;
        let folder = self.local.join("admin");
        files::create_dir(&folder, MODE_SECRET_DIR)?;
        let _lock = lock(&folder)?;
        let mut changes = Vec::new();
        let had = present(&path)?;
        if had && !force {
            settle_mode(&path, MODE_SECRET, &mut changes)?;
            return Ok(changes);
        }
        write_atomic(&path, format!("{}\n", key.expose_secret()).as_bytes(), MODE_SECRET)?;
        changes.push(Change {
            what: "Admin key".to_owned(),
            path,
            action: if had { Action::Replaced } else { Action::Created },
            why: None,
        });
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_admin_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join(".local"));
        assert!(store.admin_key().unwrap().is_none());
        let (first, second) = (generate().unwrap(), generate().unwrap());
        assert_ne!(first.expose_secret(), second.expose_secret());
        assert_eq!(store.ensure_admin_key(&first, false).unwrap().len(), 1);
        assert_eq!(store.ensure_admin_key(&second, false).unwrap(), []);
        let kept = || store.admin_key().unwrap().unwrap().expose_secret().to_owned();
        assert_eq!(kept(), first.expose_secret());
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(store.admin_key_path()), 0o600);
        assert_eq!(mode(folder.path().join(".local/admin")), 0o700);
        store.ensure_admin_key(&second, true).unwrap();
        assert_eq!(kept(), second.expose_secret());
        fs::write(store.admin_key_path(), "two words\n").unwrap();
        assert!(store.admin_key().is_err());
    }
}
