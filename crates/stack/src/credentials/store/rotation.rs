//! Replaces the signing key without making any token invalid.
//!
//! A server reads its public keys only at start, so a rotation has two steps: [`Store::stage_key`]
//! publishes the next public key beside the others, and after a restart [`Store::activate_key`]
//! makes the next private key the signing key. Every write is atomic, and between any two writes
//! `jwt.pub` contains the active key, so a later run completes one that was killed.

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::retired::Until;
use super::{Action, Change, Store, lock, present, read};
use crate::credentials::Error;
use demo_base::error::Result;
use demo_base::files::{self, MODE_SECRET, MODE_SECRET_DIR, MODE_SHARED, write_atomic};
use demo_sqld::keys::{KeySet, PublicKey, SigningKey};

/// What a public key that the servers trust is used for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Its private key signs tokens.
    Active,
    /// Its private key will sign after `demo keys rotate`.
    Staged,
    /// It only verifies tokens made earlier or elsewhere.
    Old,
}

/// A public key that servers trust.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    pub key: PublicKey,
    pub state: KeyState,
    /// When it stopped signing, if that is known.
    pub retired_at: Option<Timestamp>,
    /// When its last token expires, if that is known.
    pub tokens_until: Option<Until>,
}

impl Store {
    /// The staged private key, which signs after the next rotation, if there is one.
    pub fn next_key_path(&self) -> PathBuf {
        self.jwt_dir().join("next.key")
    }

    /// The public keys that the servers trust, with the use of each.
    ///
    /// # Errors
    /// As [`Store::key_set`]; [`Error::DamagedRecord`].
    pub fn trusted_keys(&self) -> Result<Vec<TrustedKey>> {
        let keys = self.key_set()?;
        let active =
            if present(&self.key_path())? { Some(self.signing_key()?.public()) } else { None };
        let staged = self.next_key()?.map(|key| key.public());
        let records = self.records()?;
        let trusted = |key: PublicKey| {
            let record = records.get(&key.thumbprint());
            let state = match Some(key) {
                own if own == active => KeyState::Active,
                own if own == staged => KeyState::Staged,
                _ => KeyState::Old,
            };
            let retired_at = record.and_then(|r| r.retired_at).filter(|_| state == KeyState::Old);
            TrustedKey { key, state, retired_at, tokens_until: record.and_then(|r| r.tokens_until) }
        };
        Ok(keys.0.into_iter().map(trusted).collect())
    }

    /// Makes the next key, unless there is one, and adds its public half to the trusted keys.
    /// Returns that half, and whether anything was changed.
    ///
    /// # Errors
    /// As [`Store::signing_key`]; [`Error::UntrustedInRotation`], [`Error::DamagedRecord`];
    /// [`demo_base::Error`] or [`Error::Refused`] when a file cannot be written.
    pub fn stage_key(&self) -> Result<(PublicKey, bool)> {
        // Without keys there is no folder to lock.
        self.key_set_of_active()?;
        let _lock = lock(&self.jwt_dir())?;
        self.stage()
    }

    fn stage(&self) -> Result<(PublicKey, bool)> {
        let mut keys = self.key_set_of_active()?;
        let (next, made) = match self.next_key()? {
            Some(key) => (key, false),
            None => (SigningKey::generate()?, true),
        };
        if made {
            let pem = next.to_pem();
            write_atomic(&self.next_key_path(), pem.expose_secret().as_bytes(), MODE_SECRET)?;
        }
        let public = next.public();
        let published = keys.contains(&public);
        if !published {
            keys.0.push(public);
            write_atomic(&self.public_key_path(), keys.to_pem().as_bytes(), MODE_SHARED)?;
        }
        Ok((public, made || !published))
    }

    /// Stages a key if none is staged, and makes it the signing key. The old private key is no
    /// longer needed and is removed unless `keep_old` is set. The project's token is signed again.
    ///
    /// # Errors
    /// As [`Store::stage_key`].
    pub fn activate_key(&self, now: Timestamp, keep_old: bool) -> Result<Vec<Change>> {
        self.key_set_of_active()?;
        let _lock = lock(&self.jwt_dir())?;
        self.stage()?;
        let old = self.signing_key()?;
        let thumbprint = old.public().thumbprint();
        let mut changes = Vec::new();
        if keep_old {
            let folder = self.jwt_dir().join("old");
            files::create_dir(&folder, MODE_SECRET_DIR)?;
            let path = folder.join(&thumbprint).with_extension("key");
            write_atomic(&path, old.to_pem().expose_secret().as_bytes(), MODE_SECRET)?;
            let what = "old private key".to_owned();
            changes.push(Change { what, path, action: Action::Created, why: None });
        }
        // Recorded before it stops signing, so that a run that dies here records it again later.
        let mut records = self.records()?;
        records.entry(thumbprint).or_default().retire(now);
        self.write_records(&records)?;
        let (next, path) = (self.next_key_path(), self.key_path());
        fs::rename(&next, &path)
            .and_then(|()| fs::File::open(self.jwt_dir())?.sync_all())
            .map_err(|source| Error::Refused {
                operation: format!("rename {} to {}", next.display(), path.display()),
                source,
            })?;
        changes.push(Change {
            what: "signing key".to_owned(),
            path,
            action: Action::Replaced,
            why: None,
        });
        self.settle_token(now, true, &mut changes)?;
        Ok(changes)
    }

    /// Removes keys from those that the servers trust: the `named` ones at once, and those that
    /// stopped signing so long ago that all their tokens have expired. Returns the removed keys.
    ///
    /// # Errors
    /// [`Error::UnknownKey`] or [`Error::ActiveKey`]; else as [`Store::stage_key`].
    pub fn prune_keys(&self, now: Timestamp, named: &[String]) -> Result<Vec<PublicKey>> {
        self.key_set_of_active()?;
        let _lock = lock(&self.jwt_dir())?;
        let trusted = self.trusted_keys()?;
        for name in named {
            refuse_needed(&trusted, name)?;
        }
        let goes = |trusted: &TrustedKey| {
            let over = trusted.retired_at.is_some()
                && trusted.tokens_until.is_some_and(|until| until.is_over(now));
            let wanted = named.contains(&trusted.key.thumbprint());
            wanted || (trusted.state == KeyState::Old && over)
        };
        let (dropped, kept): (Vec<_>, Vec<_>) = trusted.into_iter().partition(goes);
        if dropped.is_empty() {
            return Ok(Vec::new());
        }
        // The private half of a staged key is removed first: an interrupted run then leaves a
        // surplus public key, never a private key that no server trusts.
        if dropped.iter().any(|trusted| trusted.state == KeyState::Staged) {
            files::remove(&self.next_key_path())?;
        }
        let kept = KeySet(kept.into_iter().map(|trusted| trusted.key).collect());
        write_atomic(&self.public_key_path(), kept.to_pem().as_bytes(), MODE_SHARED)?;
        let mut records = self.records()?;
        for trusted in &dropped {
            records.remove(&trusted.key.thumbprint());
        }
        self.write_records(&records)?;
        Ok(dropped.into_iter().map(|trusted| trusted.key).collect())
    }

    fn next_key(&self) -> Result<Option<SigningKey>> {
        let path = self.next_key_path();
        if !present(&path)? {
            return Ok(None);
        }
        let text = read(&path, "next private key")?;
        Ok(SigningKey::from_pem(&text, &path.display().to_string()).map(Some)?)
    }

    /// The public keys, after checking that the active one is among them.
    fn key_set_of_active(&self) -> Result<KeySet> {
        let active = self.signing_key()?.public();
        let keys = self.key_set()?;
        if keys.contains(&active) {
            return Ok(keys);
        }
        let (public, private) = (self.public_key_path(), self.key_path());
        Err(Error::UntrustedInRotation { public, private }.into())
    }
}

fn refuse_needed(trusted: &[TrustedKey], name: &str) -> Result<(), Error> {
    let thumbprint = name.to_owned();
    match trusted.iter().find(|trusted| trusted.key.thumbprint() == name) {
        None => Err(Error::UnknownKey { thumbprint }),
        Some(found) if found.state == KeyState::Active => Err(Error::ActiveKey { thumbprint }),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
