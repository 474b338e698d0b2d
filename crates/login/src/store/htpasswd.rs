//! An htpasswd file: `name:hash` a line, as Apache and nginx read it.
//!
//! What is not ours (comments, hashes of other kinds) stays as it is. A file with
//! a line that makes no sense is never written over: what could not be read would
//! be lost.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::name::Username;
use crate::password::{is_bcrypt, is_whole_bcrypt};
use crate::store::Registered;
use demo_base::error::{Fault, Result};
use demo_base::files;

/// The file, and what was last read from it.
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

/// Tells two states of a file apart. A rename makes a new inode.
#[derive(Debug, Eq, PartialEq)]
struct Stamp(u64, u64, i64, i64);

impl Htpasswd {
    /// # Errors
    /// Exit 2 when the file, if there is one, cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let htpasswd = Self { path: path.to_owned(), last: Mutex::default() };
        htpasswd.users()?;
        Ok(htpasswd)
    }

    /// The users as the file has them now; it is read again when it has changed.
    ///
    /// # Errors
    /// Exit 2 with path and line for what is no htpasswd file.
    pub fn users(&self) -> Result<Arc<Users>> {
        let stamp = match fs::metadata(&self.path) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => Stamp(0, 0, 0, 0),
            Err(error) => return Err(files::unreadable(&self.path, "users' file", error).into()),
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

    /// Adds a user, unless there are `most` already. Blocks: it waits for other
    /// instances that have the same file.
    ///
    /// # Errors
    /// Exit 2 when the file cannot be read as a whole, or not written.
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

    /// Replaces the hash of a user who is there.
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

    /// Takes a user's line out; `false` when there is none.
    ///
    /// # Errors
    /// As [`Htpasswd::add`].
    pub fn remove(&self, user: &Username) -> Result<bool> {
        let _lock = self.lock()?;
        let users = self.read()?;
        if !users.hashes.contains_key(user.as_str()) {
            return Ok(false);
        }
        let is_his = |line: &str| line.split_once(':').is_some_and(|(n, _)| n == user.as_str());
        let kept = users.text.split_inclusive('\n').filter(|line| !is_his(line));
        self.write(&kept.collect::<String>())?;
        Ok(true)
    }

    fn read(&self) -> Result<Users> {
        match fs::read(&self.path) {
            Ok(bytes) => Users::parse(bytes).map_err(|(line, why)| {
                let path = self.path.display();
                Fault::input(format!("{path}: line {line}: {why}"))
                    .hint("mend or remove the line; nothing is written over it")
                    .into()
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Users::default()),
            Err(error) => Err(files::unreadable(&self.path, "users' file", error).into()),
        }
    }

    /// The mode that the operator has chosen stays: Apache may have to read it.
    fn write(&self, text: &str) -> Result<()> {
        let mode = fs::metadata(&self.path)
            .map_or(files::MODE_SECRET, |metadata| metadata.permissions().mode() & 0o777);
        // A link stays a link.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        files::write_atomic(&path, text.as_bytes(), mode)
    }

    /// The file itself is replaced by a rename, so the lock is on one beside it.
    fn lock(&self) -> Result<File> {
        let mut name = self.path.clone().into_os_string();
        name.push(".lock");
        let attempt = || {
            let lock = File::options().create(true).truncate(false).write(true).open(&name)?;
            lock.lock().map(|()| lock)
        };
        attempt().map_err(|error| {
            Fault::input(format!("cannot lock {}", Path::new(&name).display()))
                .because(error)
                .hint("make its folder writable")
                .into()
        })
    }
}

impl Users {
    pub fn count(&self) -> u64 {
        self.hashes.len() as u64
    }

    pub fn hash_of(&self, user: &str) -> Option<&str> {
        self.hashes.get(user).map(String::as_str)
    }

    /// The error is the line and what is wrong with it, never the line itself.
    fn parse(bytes: Vec<u8>) -> Result<Self, (usize, &'static str)> {
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            (before.split(|byte| *byte == b'\n').count(), "it is no text")
        })?;
        let mut hashes = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, rest) = line.split_once(':').ok_or((number, "it has no colon"))?;
            // Apache writes nothing behind the hash; other programs add fields.
            let hash = rest.split(':').next().unwrap_or_default();
            if name.is_empty() || hash.is_empty() {
                return Err((number, "the name or the hash is missing"));
            }
            if name.contains('\0') || hash.contains('\0') {
                return Err((number, "it has a NUL byte"));
            }
            if is_bcrypt(hash) && !is_whole_bcrypt(hash) {
                return Err((number, "its bcrypt hash is cut off, damaged or of too high a cost"));
            }
            // The first one counts, as for Apache.
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

/// What the fuzz target calls.
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
    fn what_is_not_ours_stays_as_it_is() {
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
    fn a_user_who_is_removed_leaves_the_others_as_they_were() {
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
    fn a_damaged_file_is_named_and_never_written_over() {
        let cut = format!("a:{HASH}\nb:{}", &HASH[..40]);
        let table: [(&[u8], &str); 5] = [
            (cut.as_bytes(), "line 2: its bcrypt hash is cut off"),
            (b"a", "line 1: it has no colon"),
            (b"a:\n", "line 1: the name or the hash"),
            (b"# x\na:\xff\n", "line 2: it is no text"),
            (b"a:b\0\0\n", "line 1: it has a NUL byte"),
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
