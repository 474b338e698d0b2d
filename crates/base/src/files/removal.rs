//! Removes a folder with its content, without following links.
//!
//! There are two guards. [`refuse_links`] checks the path from the project folder down before
//! anything is stopped or removed, so that the user is told which part of it is a link. [`remove`]
//! then walks the same path with `openat` and `O_NOFOLLOW`, each step relative to the folder opened
//! by the previous one, and removes with `unlinkat`. A link that is put in the way meanwhile causes
//! an error or is removed itself, but its target never is. Both guards hold for root as well.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::unwritable;
use crate::error::{Error, Result};

/// Fails when `path`, or a folder between `within` and it, is a symbolic link. A missing path
/// passes.
///
/// # Errors
/// [`Error::SymbolicLink`], naming the link and its target.
pub fn refuse_links(within: &Path, path: &Path) -> Result<(), Error> {
    let (mut at, steps) = way(within, path);
    for step in steps {
        at.push(step);
        if at.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            let target = std::fs::read_link(&at).unwrap_or_default();
            return Err(Error::SymbolicLink { path: at, target });
        }
    }
    Ok(())
}

/// Removes `path`, which may be a file, a link or a folder with content; succeeds if it does not
/// exist. No link below `within` is followed.
///
/// # Errors
/// [`Error::Unwritable`] when it cannot be removed, [`Error::SymbolicLink`] for a link on the way.
pub fn remove(within: &Path, path: &Path) -> Result<(), Error> {
    refuse_parents(within, path)?;
    attempt(within, path).map_err(|error| unwritable(path, error))
}

/// Like [`remove`], but returns the system's own error, for callers that can handle it.
///
/// # Errors
/// The system's error; `NotADirectory` or `FilesystemLoop` for a link on the way.
pub fn attempt(within: &Path, path: &Path) -> io::Result<()> {
    let (base, mut steps) = way(within, path);
    let Some(name) = steps.pop() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path has no name to remove"));
    };
    let mut folder = match openat(CWD, &base, FOLDER, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    for step in steps {
        folder = match openat(&folder, step, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(()),
            opened => opened?,
        };
    }
    Ok(remove_at(folder.as_fd(), &name)?)
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn remove_at(folder: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // The path is a folder: Linux reports one of these errors, other systems the other.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error),
    }
    let inner = match openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
        Ok(inner) => inner,
        Err(Errno::NOENT) => return Ok(()),
        // An empty folder can be removed without the right to read it.
        Err(error) => {
            return unlinkat(folder, name, AtFlags::REMOVEDIR).map_err(|_| error);
        }
    };
    for name in names(&inner)? {
        remove_at(inner.as_fd(), &name)?;
    }
    match unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    }
}

fn names(folder: &OwnedFd) -> rustix::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The last component may be a link, which is removed; the components before it may not.
fn refuse_parents(within: &Path, path: &Path) -> Result<(), Error> {
    match path.parent() {
        Some(parent) if parent.starts_with(within) => refuse_links(within, parent),
        _ => Ok(()),
    }
}

/// The folder to start from, and the names from there on. A path outside `within`, such as a mount
/// outside the project, starts at its parent.
fn way(within: &Path, path: &Path) -> (PathBuf, Vec<OsString>) {
    let normal = |rest: &Path| -> Option<Vec<OsString>> {
        rest.components()
            .map(|component| match component {
                Component::Normal(name) => Some(name.to_owned()),
                _ => None,
            })
            .collect()
    };
    let below = path.strip_prefix(within).ok().and_then(normal);
    match (below, path.parent(), path.file_name()) {
        (Some(steps), _, _) if !steps.is_empty() => (within.to_path_buf(), steps),
        (_, Some(parent), Some(name)) => (parent.to_path_buf(), vec![name.to_owned()]),
        _ => (path.to_path_buf(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn outside(folder: &Path) -> PathBuf {
        let outside = folder.join("outside");
        fs::create_dir_all(outside.join("data/deep")).unwrap();
        fs::write(outside.join("data/deep/precious"), "p").unwrap();
        outside
    }

    #[test]
    fn l1_a_link_on_the_way_is_refused_and_its_target_stays() {
        let folder = tempfile::tempdir().unwrap();
        let outside = outside(folder.path());
        let project = folder.path().join("project");
        fs::create_dir(&project).unwrap();
        symlink(&outside, project.join(".local")).unwrap();
        let target = project.join(".local/data");
        for outcome in [refuse_links(&project, &target), remove(&project, &target)] {
            let said = outcome.unwrap_err().to_string();
            assert!(said.contains(".local is a symbolic link to"), "{said}");
        }
        // If a link is created after the check, the walk itself catches it.
        assert!(attempt(&project, &target).is_err());
        assert!(outside.join("data/deep/precious").is_file());
    }

    #[test]
    fn l1_a_link_inside_goes_and_its_target_stays() {
        let folder = tempfile::tempdir().unwrap();
        let outside = outside(folder.path());
        let data = folder.path().join("project/.local/data");
        fs::create_dir_all(data.join("primary")).unwrap();
        symlink(&outside, data.join("primary/folder")).unwrap();
        symlink(outside.join("data/deep/precious"), data.join("file")).unwrap();
        symlink("/nowhere", data.join("dangling")).unwrap();
        remove(&folder.path().join("project"), &data).unwrap();
        assert!(data.symlink_metadata().is_err());
        assert!(outside.join("data/deep/precious").is_file());
        // When the path itself is a link, only the link is removed.
        let link = folder.path().join("project/.local/logs");
        symlink(&outside, &link).unwrap();
        remove(&folder.path().join("project"), &link).unwrap();
        assert!(link.symlink_metadata().is_err());
        assert!(outside.join("data/deep/precious").is_file());
        remove(&folder.path().join("project"), &link).unwrap();
    }

    #[test]
    fn a_path_that_is_elsewhere_is_reached_from_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere/data");
        fs::create_dir_all(elsewhere.join("deep")).unwrap();
        remove(Path::new("/some/project"), &elsewhere).unwrap();
        assert!(!elsewhere.exists());
        assert!(folder.path().join("elsewhere").is_dir());
    }
}
