//! An htpasswd file: one `name:hash` per line, as Apache and nginx read it.
//!
//! Comments and hashes of other kinds are kept. A file with a malformed line is never
//! overwritten, because the unreadable part would be lost.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;
use crate::name::Username;
use crate::password::{is_bcrypt, is_whole_bcrypt};
use crate::store::Registered;
use demo_base::error::Result;
use demo_base::files;

/// The file, and the content that was last read from it.
#[derive(Debug)]
pub struct Htpasswd {
    path: PathBuf,
    last: Mutex<Option<(Stamp, Arc<Users>)>>,
}

/// Names and hashes of one state of the file.
#[derive(Debug, Default)]
pub struct Users {
    text: String,
    hashes: HashMap<String, String>,
}

/// Tells two states of a file apart. A rename results in a new inode.
#[derive(Debug, Eq, PartialEq)]
struct Stamp(u64, u64, i64, i64);

impl Htpasswd {
    /// Reads the file, if it exists.
    ///
    /// # Errors
    /// As [`Htpasswd::users`].
    pub fn open(path: &Path) -> Result<Self> {
        let htpasswd = Self { path: path.to_owned(), last: Mutex::default() };
        htpasswd.users()?;
        Ok(htpasswd)
    }

    /// The users in the file; it is read again when it has changed.
    ///
    /// # Errors
    /// [`Error::UserFileMalformed`]; when the file exists but cannot be read.
    pub fn users(&self) -> Result<Arc<Users>> {
        let stamp = match fs::metadata(&self.path) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => Stamp(0, 0, 0, 0),
            Err(error) => return Err(files::unreadable(&self.path, "user file", error).into()),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seen, users)) = &*last
            && *seen == stamp
        {
            return Ok(users.clone());
        }
        let users = Arc::new(self.read()?);
        *last = Some((stamp, users.clone()));
        Ok(users)
    }

    /// Adds a user, unless there are `most` already. Blocks while another instance writes
    /// the same file.
    ///
    /// # Errors
    /// As [`Htpasswd::users`]; [`Error::UserFileUnlockable`]; when the file cannot be written.
    pub fn add(&self, user: &Username, hash: &str, most: u64) -> Result<Registered> {
        let _lock = self.lock()?;
        let users = self.read()?;
        if users.hashes.contains_key(user.as_str()) {
            return Ok(Registered::Taken);
        }
        if users.hashes.len() as u64 >= most {
            return Ok(Registered::Full);
        }
        let mut text = users.text;
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.extend([user.as_str(), ":", hash, "\n"]);
        self.write(&text)?;
        Ok(Registered::Done)
    }

    /// Replaces the hash of an existing user.
    ///
    /// # Errors
    /// As [`Htpasswd::add`].
    pub fn replace(&self, user: &Username, hash: &str) -> Result<()> {
        let _lock = self.lock()?;
        let users = self.read()?;
        let line = |line: &str| match line.split_once(':') {
            Some((name, _)) if name == user.as_str() => format!("{user}:{hash}\n"),
            _ => format!("{line}\n"),
        };
        self.write(&users.text.lines().map(line).collect::<String>())
    }

    /// Removes a user's line; `false` when the file has no line for that user.
    ///
    /// # Errors
    /// As [`Htpasswd::add`].
    pub fn remove(&self, user: &Username) -> Result<bool> {
        let _lock = self.lock()?;
        let users = self.read()?;
        if !users.hashes.contains_key(user.as_str()) {
            return Ok(false);
        }
        let is_own = |line: &str| line.split_once(':').is_some_and(|(n, _)| n == user.as_str());
        let kept = users.text.split_inclusive('\n').filter(|line| !is_own(line));
        self.write(&kept.collect::<String>())?;
        Ok(true)
    }

    fn read(&self) -> Result<Users> {
        match fs::read(&self.path) {
            Ok(bytes) => Users::parse(bytes).map_err(|(line, reason)| {
                Error::UserFileMalformed { path: self.path.clone(), line, reason }.into()
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Users::default()),
            Err(error) => Err(files::unreadable(&self.path, "user file", error).into()),
        }
    }

    /// Writes the file and keeps its mode, since Apache may have to read it.
    fn write(&self, text: &str) -> Result<()> {
        let mode = fs::metadata(&self.path)
            .map_or(files::MODE_SECRET, |metadata| metadata.permissions().mode() & 0o777);
        // Write to the target of a symbolic link, so that the link is kept.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        Ok(files::write_atomic(&path, text.as_bytes(), mode)?)
    }

    /// Takes the lock, which is on a separate file, because a rename replaces the file itself.
    fn lock(&self) -> Result<File, Error> {
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        let attempt = || {
            let lock = File::options().create(true).truncate(false).write(true).open(&name)?;
            lock.lock().map(|()| lock)
        };
        attempt().map_err(|source| Error::UserFileUnlockable { path: PathBuf::from(&name), source })
    }
}

impl Users {
    pub fn count(&self) -> u64 {
        self.hashes.len() as u64
    }

    pub fn hash_of(&self, user: &str) -> Option<&str> {
        self.hashes.get(user).map(String::as_str)
    }

    /// The error has the number of the line and what is wrong with it, never its content.
    fn parse(bytes: Vec<u8>) -> Result<Self, (usize, &'static str)> {
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            (before.split(|byte| *byte == b'\n').count(), "it is not valid UTF-8")
        })?;
        let mut hashes = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, rest) = line.split_once(':').ok_or((number, "it has no colon"))?;
            // Apache writes nothing after the hash, but other programs add fields.
            let hash = rest.split(':').next().unwrap_or_default();
            if name.is_empty() || hash.is_empty() {
                return Err((number, "the name or the hash is missing"));
            }
            if name.contains('\0') || hash.contains('\0') {
                return Err((number, "it contains a NUL byte"));
            }
            if is_bcrypt(hash) && !is_whole_bcrypt(hash) {
                return Err((number, "its bcrypt hash is cut off, damaged or too costly"));
            }
            // The first line of a name counts, as for Apache.
            hashes.entry(name.to_owned()).or_insert_with(|| hash.to_owned());
        }
        Ok(Self { text, hashes })
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self(metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
    }
}

/// The entry point of the fuzz target.
#[cfg(fuzzing)]
pub fn fuzz(data: &[u8]) {
    let Ok(users) = Users::parse(data.to_vec()) else { return };
    for (name, hash) in &users.hashes {
        assert_eq!(users.hash_of(name), Some(hash.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$10$cBoYpWx7wSkvnp1DCmJhX.ehJms8TEDCQvvMNHMp9Mmb6I6Wyz1qC";

    fn file(text: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn user(name: &str) -> Username {
        name.parse().unwrap()
    }

    #[test]
    fn comments_and_other_hashes_are_kept() {
        let old = "# people\n\nold:$apr1$a$b\nsha:{SHA}x=\ncrypt:abc:more";
        let (_folder, path) = file(old.as_bytes());
        let htpasswd = Htpasswd::open(&path).unwrap();
        assert_eq!(htpasswd.add(&user("new"), HASH, 4).unwrap(), Registered::Done);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{old}\nnew:{HASH}\n"));
        assert_eq!(htpasswd.users().unwrap().hash_of("new"), Some(HASH));
        assert_eq!(htpasswd.add(&user("new"), HASH, 9).unwrap(), Registered::Taken);
        assert_eq!(htpasswd.add(&user("more"), HASH, 4).unwrap(), Registered::Full);
        htpasswd.replace(&user("sha"), HASH).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let expected = old.replace("{SHA}x=", HASH);
        assert_eq!(text, format!("{expected}\nnew:{HASH}\n"));
    }

    #[test]
    fn removing_a_user_does_not_change_other_lines() {
        let others = "# a:comment\n\nab:{SHA}x=\nb:crypt:more";
        let (_folder, path) = file(format!("a:{HASH}\n{others}").as_bytes());
        let htpasswd = Htpasswd::open(&path).unwrap();
        assert!(htpasswd.remove(&user("a")).unwrap());
        assert!(!htpasswd.remove(&user("a")).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), others);
    }

    #[test]
    fn a_change_by_another_program_is_seen() {
        let (_folder, path) = file(b"");
        let htpasswd = Htpasswd::open(&path).unwrap();
        assert_eq!(htpasswd.users().unwrap().hash_of("a"), None);
        fs::write(&path, format!("a:{HASH}\n")).unwrap();
        assert_eq!(htpasswd.users().unwrap().hash_of("a"), Some(HASH));
        fs::remove_file(&path).unwrap();
        assert_eq!(htpasswd.users().unwrap().hash_of("a"), None);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_never_overwritten() {
        let cut = format!("a:{HASH}\nb:{}", &HASH[..40]);
        let table: [(&[u8], &str); 5] = [
            (cut.as_bytes(), "line 2: its bcrypt hash is cut off"),
            (b"a", "line 1: it has no colon"),
            (b"a:\n", "line 1: the name or the hash"),
            (b"# x\na:\xff\n", "line 2: it is not valid UTF-8"),
            (b"a:b\0\0\n", "line 1: it contains a NUL byte"),
        ];
        for (bytes, part) in table {
            let (_folder, path) = file(b"");
            let htpasswd = Htpasswd::open(&path).unwrap();
            fs::write(&path, bytes).unwrap();
            let error = htpasswd.add(&user("new"), HASH, 9).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert!(htpasswd.users().is_err() && Htpasswd::open(&path).is_err());
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn the_limit_holds_for_many_writers_with_the_same_file() {
        let (_folder, path) = file(b"");
        let done = std::thread::scope(|scope| {
            let writer = |number: u32| {
                let path = &path;
                scope.spawn(move || {
                    let htpasswd = Htpasswd::open(path).unwrap();
                    htpasswd.add(&user(&format!("u{number}")), HASH, 5).unwrap()
                })
            };
            let writers: Vec<_> = (0..16).map(writer).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(done.iter().filter(|done| **done == Registered::Done).count(), 5);
        assert_eq!(Htpasswd::open(&path).unwrap().users().unwrap().hashes.len(), 5);
    }
}
