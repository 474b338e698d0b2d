//! Atomic writes, with the required mode from the moment a file is created.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::Error;

pub mod lock;
pub mod removal;

/// Only its owner may read it: private keys and tokens.
pub const MODE_SECRET: u32 = 0o600;
/// Everyone may read it, including the server's user inside a container.
pub const MODE_SHARED: u32 = 0o644;
/// A program.
pub const MODE_PROGRAM: u32 = 0o755;
/// A folder that only its owner may enter.
pub const MODE_SECRET_DIR: u32 = 0o700;
/// A folder that others may enter if they can reach its parent.
pub const MODE_SHARED_DIR: u32 = 0o755;

/// Writes `bytes` to `path` atomically: a reader sees the old file or the new one, never a part.
/// The data is written to a temporary file beside it, synced and renamed.
///
/// # Errors
/// [`Error::Unwritable`] when it cannot be written; the old file stays.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    replace_with(path, mode, |file| file.write_all(bytes))
}

/// Like [`write_atomic`], with the content written by a function.
///
/// # Errors
/// [`Error::Unwritable`] when it cannot be written; the old file stays.
pub fn replace_with(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), Error> {
    let folder = parent(path);
    let attempt = || -> io::Result<()> {
        let mut beside = NamedTempFile::new_in(folder)?;
        fill(beside.as_file_mut())?;
        beside.as_file().set_permissions(Permissions::from_mode(mode))?;
        beside.as_file().sync_all()?;
        beside.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    attempt().map_err(|error| unwritable(path, error))
}

/// Creates `path` with `mode`, and the missing folders above it.
///
/// # Errors
/// [`Error::Unwritable`] when it cannot be created.
pub fn create_dir(path: &Path, mode: u32) -> Result<(), Error> {
    let attempt = || -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(mode).create(path)?;
        if fs::metadata(path)?.permissions().mode() & 0o7777 != mode {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        Ok(())
    };
    attempt().map_err(|error| unwritable(path, error))
}

/// Removes a file; succeeds if it does not exist.
///
/// # Errors
/// [`Error::Unwritable`] when it cannot be removed.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritable(path, error)),
        _ => Ok(()),
    }
}

/// Whether it is an executable file.
pub fn is_program(metadata: &fs::Metadata) -> bool {
    metadata.is_file() && metadata.permissions().mode() & 0o111 != 0
}

/// Reads a text file; `what` is its role in the message, such as "token file".
///
/// # Errors
/// [`Error::Missing`] or [`Error::Unreadable`].
pub fn read_text(path: &Path, what: &str) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| unreadable(path, what, error))
}

/// The error for a file that could not be read; `what` is its role, as for [`read_text`].
pub fn unreadable(path: &Path, what: &str, source: io::Error) -> Error {
    let (what, path) = (what.to_owned(), path.to_path_buf());
    if source.kind() == io::ErrorKind::NotFound {
        Error::Missing { what, path }
    } else {
        Error::Unreadable { what, path, source }
    }
}

fn unwritable(path: &Path, source: io::Error) -> Error {
    Error::Unwritable { path: path.to_path_buf(), source }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
