//! Locks between processes.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};

/// Opens `path` and locks it for as long as the file is open; `None` when
/// another process holds the lock.
///
/// # Errors
/// [`Error::Unlockable`] when the file cannot be opened or locked.
pub fn try_lock(path: &Path) -> Result<Option<File>, Error> {
    let unlockable = |source| Error::Unlockable { path: path.to_path_buf(), source };
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(unlockable)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(unlockable(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = try_lock(&path).unwrap();
        assert!(held.is_some());
        assert!(try_lock(&path).unwrap().is_none());
        drop(held);
        assert!(try_lock(&path).unwrap().is_some());
    }
}
