//! The `.local` folder: keys, token and certificates as files.
//!
//! Every operation can be repeated at any time: what is complete and valid stays, what is missing
//! is made, and what has expired is replaced. Keys are the exception. They are replaced only on
//! request, because every token signed with them stops working.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use zeroize::Zeroizing;

use super::Error;
use super::certs::CertificateInfo;
use demo_base::error::Result;
use demo_base::files::{
    self, MODE_SECRET, MODE_SECRET_DIR, MODE_SHARED, MODE_SHARED_DIR, write_atomic,
};
use demo_sqld::keys::{KeySet, SigningKey};

pub mod admin_key;
mod certificates;
pub mod retired;
pub mod rotation;
mod token;

/// The folder and its content.
#[derive(Clone, Debug)]
pub struct Store {
    local: PathBuf,
}

/// What was done to a file or a set of files.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The file or set did not exist.
    Created,
    /// The old one was expired, damaged or incomplete.
    Renewed,
    /// The user asked for it with `--force`.
    Replaced,
}

/// One thing that a call has changed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Change {
    /// "keys", "public key", "token", "certificates", "mode".
    pub what: String,
    /// The file, or the folder of a set.
    pub path: PathBuf,
    pub action: Action,
    pub why: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.action {
            Action::Created => "created",
            Action::Renewed => "renewed",
            Action::Replaced => "replaced",
        };
        write!(formatter, "{verb} {} in {}", self.what, self.path.display())?;
        match &self.why {
            Some(why) => write!(formatter, ": {why}"),
            None => Ok(()),
        }
    }
}

impl Store {
    /// The store in the folder `local`, which need not exist yet.
    pub fn new(local: impl Into<PathBuf>) -> Self {
        Self { local: local.into() }
    }

    /// The private key.
    pub fn key_path(&self) -> PathBuf {
        self.jwt_dir().join("jwt.key")
    }

    /// The public keys that the servers trust.
    pub fn public_key_path(&self) -> PathBuf {
        self.jwt_dir().join("jwt.pub")
    }

    /// The project's own token.
    pub fn token_path(&self) -> PathBuf {
        self.jwt_dir().join("jwt.token")
    }

    /// The folder of the certificates.
    pub fn certs_dir(&self) -> PathBuf {
        self.local.join("certs")
    }

    /// A file of the certificates: `ca_cert`, `server_key` and so on, with or
    /// without `.pem`.
    pub fn cert_path(&self, name: &str) -> PathBuf {
        self.certs_dir().join(name).with_extension("pem")
    }

    fn jwt_dir(&self) -> PathBuf {
        self.local.join("jwt")
    }

    /// Makes the folders, keys, token and certificates that are missing and renews what has
    /// expired; with `force` it replaces everything. Returns the changes; a second call makes none.
    ///
    /// # Errors
    /// [`demo_base::Error`] or [`Error::Refused`] when a file cannot be read or written;
    /// [`Error::PrivateKeyMissing`], [`Error::Untrusted`], [`Error::Binary`] or an error of
    /// [`demo_sqld`] when one has unexpected content and must not be replaced without `force`.
    pub fn ensure(&self, now: Timestamp, force: bool) -> Result<Vec<Change>> {
        self.ensure_folders()?;
        let mut changes = Vec::new();
        {
            let _lock = lock(&self.jwt_dir())?;
            self.settle_keys(force, &mut changes)?;
            self.settle_token(now, force, &mut changes)?;
        }
        changes.extend(self.ensure_certs(now, force)?);
        Ok(changes)
    }

    /// Makes only the key pair. With `force` the tokens made so far stop working.
    ///
    /// # Errors
    /// As [`Store::ensure`].
    pub fn ensure_keys(&self, force: bool) -> Result<Vec<Change>> {
        self.ensure_folders()?;
        let _lock = lock(&self.jwt_dir())?;
        let mut changes = Vec::new();
        self.settle_keys(force, &mut changes)?;
        Ok(changes)
    }

    /// The private key.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none; [`Error::Binary`] or an error of [`demo_sqld`] when
    /// the file contains something else.
    pub fn signing_key(&self) -> Result<SigningKey> {
        let path = self.key_path();
        let text = read(&path, "private key")?;
        Ok(SigningKey::from_pem(&text, &path.display().to_string())?)
    }

    /// The public keys that the servers trust.
    ///
    /// # Errors
    /// As [`Store::signing_key`].
    pub fn key_set(&self) -> Result<KeySet> {
        let path = self.public_key_path();
        let text = read(&path, "public key")?;
        Ok(KeySet::parse(&text, &path.display().to_string())?)
    }

    /// Names and dates of the certificates of the CA, the server and the client.
    ///
    /// # Errors
    /// [`Error::Missing`] when one is missing; as [`CertificateInfo::from_pem`] when a file contains
    /// something else.
    pub fn certificates(&self) -> Result<Vec<CertificateInfo>> {
        self.read_certificates(Timestamp::now())
    }

    /// The server in a container runs as a separate user (uid 666), which must be able to enter
    /// these folders. Other users of this machine cannot get past `.local`, which only its owner
    /// can enter.
    fn ensure_folders(&self) -> Result<(), demo_base::Error> {
        files::create_dir(&self.local, MODE_SECRET_DIR)?;
        let data = self.local.join("data");
        let (primary, replica) = (data.join("primary"), data.join("replica"));
        for folder in [self.jwt_dir(), self.certs_dir(), data, primary, replica] {
            files::create_dir(&folder, MODE_SHARED_DIR)?;
        }
        Ok(())
    }

    fn settle_keys(&self, force: bool, changes: &mut Vec<Change>) -> Result<()> {
        let (private, public) = (self.key_path(), self.public_key_path());
        let had_key = present(&private)?;
        let had_public = present(&public)?;
        if force || !(had_key || had_public) {
            let key = SigningKey::generate()?;
            // In this order a crash between the steps leaves a private key without a public one,
            // which the next run completes. Any other order can leave a pair that does not match.
            if had_public {
                remove(&public)?;
            }
            write_atomic(&private, key.to_pem().expose_secret().as_bytes(), MODE_SECRET)?;
            write_atomic(&public, key.public().to_pem().as_bytes(), MODE_SHARED)?;
            // These belong to the replaced pair: the staged key, and the record of old keys.
            files::remove(&self.next_key_path())?;
            files::remove(&self.retired_path())?;
            changes.push(Change {
                what: "keys".to_owned(),
                path: private,
                action: if had_key || had_public { Action::Replaced } else { Action::Created },
                why: None,
            });
            return Ok(());
        }
        if !had_key {
            return Err(Error::PrivateKeyMissing { public, private }.into());
        }
        let own = self.signing_key()?.public();
        if !had_public {
            write_atomic(&public, own.to_pem().as_bytes(), MODE_SHARED)?;
            changes.push(Change {
                what: "public key".to_owned(),
                path: public.clone(),
                action: Action::Created,
                why: Some("it was missing, while its private key exists".to_owned()),
            });
        } else if !self.key_set()?.contains(&own) {
            return Err(Error::Untrusted { public, private }.into());
        }
        settle_mode(&private, MODE_SECRET, changes)?;
        Ok(settle_mode(&public, MODE_SHARED, changes)?)
    }
}

/// Corrects the mode of a file that is kept.
fn settle_mode(path: &Path, mode: u32, changes: &mut Vec<Change>) -> Result<(), Error> {
    let cannot = |source| refused("set the mode of", path, source);
    let found = fs::metadata(path).map_err(cannot)?.permissions().mode() & 0o7777;
    if found != mode {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(cannot)?;
        changes.push(Change {
            what: "mode".to_owned(),
            path: path.to_owned(),
            action: Action::Renewed,
            why: Some(format!("it was {found:04o} and is now {mode:04o}")),
        });
    }
    Ok(())
}

/// Keeps other processes out of `folder` until the lock is dropped: two that make keys at once
/// would leave halves of different pairs.
fn lock(folder: &Path) -> Result<File, Error> {
    let attempt = File::open(folder).and_then(|handle| handle.lock().map(|()| handle));
    attempt.map_err(|source| refused("lock", folder, source))
}

fn present(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(|source| refused("look at", path, source))
}

fn remove(path: &Path) -> Result<(), Error> {
    fs::remove_file(path).map_err(|source| refused("remove", path, source))
}

fn refused(operation: &str, path: &Path, source: io::Error) -> Error {
    Error::Refused { operation: format!("{operation} {}", path.display()), source }
}

/// The text of a file in the store; `what` is its name in messages.
fn read(path: &Path, what: &str) -> Result<Zeroizing<String>> {
    match std::str::from_utf8(&read_bytes(path, what)?) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Error::Binary { path: path.to_owned() }.into()),
    }
}

fn read_bytes(path: &Path, what: &str) -> Result<Zeroizing<Vec<u8>>> {
    fs::read(path).map(Zeroizing::new).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return Error::Missing { what: what.to_owned(), path: path.to_owned() }.into();
        }
        files::unreadable(path, what, error).into()
    })
}

#[cfg(test)]
mod tests;
