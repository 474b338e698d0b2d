//! Confines the servers of a `demo` that was started by root.
//!
//! SQL on this server can read and write files (`readfile`, `writefile`, `fsdir`). Each server
//! therefore runs as the user that the image uses, in a mount namespace of its own. Every folder on
//! the way to its files that this user cannot enter (`.local`, which is 0700, or a `/root` above
//! it) is covered by an empty one, in which only the server's own files appear, at their usual
//! paths. `/proc` is covered as well, because servers of other projects have the same user, and
//! `/proc/PID/root` would expose their files. `SQLite` makes every path absolute and checks each
//! part of it, so neither a relative path nor a descriptor leads past a folder that cannot be
//! entered (measured on sqld 0.24.32: "unable to open database file").

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::engine::Error;
use crate::plan::{ServicePlan, StackPlan};

/// The user and the group of the server in the upstream image.
pub const SERVER_USER: u32 = 666;

/// What a server is confined to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Confinement {
    /// User and group, by number; neither needs a name on this machine.
    pub user: u32,
    /// Folders that the server may write; it starts in the first.
    pub own: Vec<PathBuf>,
    /// Files and folders that it may read.
    pub read: Vec<PathBuf>,
    /// Folders whose remaining content is hidden although the user could enter them: the project
    /// folder, with its `.env`.
    pub hide: Vec<PathBuf>,
}

/// Folders that programs need to run. A project that is one of these, or contains one, is not
/// hidden.
const SYSTEM: [&str; 9] =
    ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/dev", "/sys", "/nix"];

impl Confinement {
    /// The confinement of `service`; `None` where this process cannot confine anything: without
    /// root its servers run as its own user, and so do those of a root without the right to mount,
    /// as in a container.
    pub fn of(plan: &StackPlan, service: &ServicePlan) -> Option<Self> {
        if !available() {
            return None;
        }
        let files = plan.config_files.iter().filter_map(|file| file.parent());
        let mut hide: Vec<PathBuf> = Vec::new();
        for folder in files.chain([plan.working_dir.as_path()]) {
            let needed = |system: &&str| {
                let system = Path::new(system);
                system.starts_with(folder) || folder.starts_with(system)
            };
            if folder.is_dir() && !SYSTEM.iter().any(needed) {
                hide.push(folder.to_path_buf());
            }
        }
        let paths = |read_only: bool| {
            let mounts = service.mounts.iter().filter(move |mount| mount.read_only == read_only);
            mounts.map(|mount| mount.source.clone()).collect()
        };
        Some(Self { user: SERVER_USER, own: paths(false), read: paths(true), hide })
    }

    /// The confinement as options of `demo __exec`.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut words = vec![OsString::from("--user"), self.user.to_string().into()];
        let all = [("--own", &self.own), ("--read", &self.read), ("--hide", &self.hide)];
        for (option, paths) in all {
            for path in paths {
                words.extend([OsString::from(option), path.clone().into_os_string()]);
            }
        }
        words
    }
}

/// Whether servers that are started now run as a separate user.
pub fn available() -> bool {
    system::available()
}

/// As which user servers run that are started now, in a sentence.
pub fn describe() -> String {
    if available() {
        return format!(
            "servers run as user {SERVER_USER} and see only their own files, since demo is root"
        );
    }
    let user = rustix::process::geteuid().as_raw();
    let why = match user {
        0 => "root has no right to mount here (CAP_SYS_ADMIN), so they can read demo's keys",
        _ => "SQL that reads files can read yours; servers started by root are confined",
    };
    format!("servers run as user {user}, like demo itself: {why}")
}

/// Gives `folder` and its content to `user`. No link is followed, neither `folder` itself nor one
/// in it.
///
/// # Errors
/// [`Error::NoAccess`] with the folder when the system refuses.
pub fn hand_over(folder: &Path, user: u32) -> Result<(), Error> {
    system::hand_over(folder, user)
}

/// Confines this process for good: what it executes next sees only `program` and what the
/// confinement names. In a process with several threads only the calling thread is confined, so it
/// must be the one that executes.
///
/// # Errors
/// [`Error::Unconfined`] when the system refuses; nothing may be executed then.
pub fn enter(confinement: &Confinement, program: &Path) -> Result<(), Error> {
    system::enter(confinement, program)
}

#[cfg(target_os = "linux")]
mod system {
    use std::ffi::OsStr;
    use std::fs::{self, DirBuilder, Permissions};
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    use std::path::{Path, PathBuf};

    use rustix::fs::{AtFlags, CWD, Dir, Gid, Mode, OFlags, Uid, chownat, fchown, openat, statat};
    use rustix::mount::{
        MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change,
        mount_remount, move_mount, open_tree,
    };
    use rustix::thread::{
        CapabilitySet, UnshareFlags, capabilities, set_no_new_privs, set_thread_groups,
        set_thread_res_gid, set_thread_res_uid,
    };

    use super::{Confinement, Error};

    pub fn available() -> bool {
        let needed = CapabilitySet::SYS_ADMIN
            | CapabilitySet::SETUID
            | CapabilitySet::SETGID
            | CapabilitySet::CHOWN
            | CapabilitySet::DAC_OVERRIDE;
        rustix::process::geteuid().is_root()
            && capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
    }

    pub fn hand_over(folder: &Path, user: u32) -> Result<(), Error> {
        let attempt = || -> rustix::io::Result<()> {
            let opened = openat(CWD, folder, FOLDER, Mode::empty())?;
            give(opened.as_fd(), user)
        };
        attempt().map_err(|error| Error::NoAccess {
            operation: format!("give {} to the server's user", folder.display()),
            source: error.into(),
        })
    }

    const FOLDER: OFlags =
        OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

    fn give(folder: BorrowedFd<'_>, user: u32) -> rustix::io::Result<()> {
        let (owner, group) = (Some(Uid::from_raw(user)), Some(Gid::from_raw(user)));
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
                give(openat(folder, name, FOLDER, Mode::empty())?.as_fd(), user)?;
            } else if (stat.st_uid, stat.st_gid) != (user, user) {
                chownat(folder, name, owner, group, AtFlags::SYMLINK_NOFOLLOW)?;
            }
        }
        fchown(folder, owner, group)
    }

    pub fn enter(confinement: &Confinement, program: &Path) -> Result<(), Error> {
        let attempt = || -> io::Result<()> {
            hide(confinement, program)?;
            std::env::set_current_dir(confinement.own.first().map_or(Path::new("/"), |own| own))?;
            let (user, group) = (Uid::from_raw(confinement.user), Gid::from_raw(confinement.user));
            set_thread_groups(&[])?;
            set_thread_res_gid(group, group, group)?;
            set_thread_res_uid(user, user, user)?;
            Ok(set_no_new_privs(true)?)
        };
        attempt().map_err(|source| Error::Unconfined { user: confinement.user, source })
    }

    /// A file or folder that stays visible.
    struct Shown {
        path: PathBuf,
        folder: bool,
        /// Its mount, which is put back over what hides it; else its content.
        what: What,
    }

    enum What {
        Tree(OwnedFd),
        Copy(Vec<u8>),
    }

    fn hide(confinement: &Confinement, program: &Path) -> io::Result<()> {
        let user = confinement.user;
        private_mounts()?;
        mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
        let own = confinement.own.iter().map(PathBuf::as_path);
        let read = confinement.read.iter().map(PathBuf::as_path);
        let mut closed: Vec<PathBuf> = Vec::new();
        let mut shown = Vec::new();
        for path in own.chain(read).chain([program]) {
            let Some(folder) = closed_to(path, confinement)? else { continue };
            if !closed.contains(&folder) {
                closed.push(folder);
            }
            shown.push(show(path, user)?);
        }
        for folder in &confinement.hide {
            if !closed.iter().any(|closed| folder.starts_with(closed)) {
                closed.push(folder.clone());
            }
        }
        // Everything is held open by now, so it can be covered.
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        for folder in &closed {
            mount("tmpfs", folder, "tmpfs", flags, Some(c"mode=0755,size=1m"))?;
        }
        for shown in shown {
            put_back(shown, user)?;
        }
        // `/proc/PID/root` of another server with the same user would lead to its files.
        mount("tmpfs", "/proc", "tmpfs", flags | MountFlags::RDONLY, Some(c"mode=0755,size=4k"))?;
        for folder in &closed {
            mount_remount(folder, flags | MountFlags::BIND | MountFlags::RDONLY, c"")?;
        }
        Ok(())
    }

    #[expect(
        deprecated,
        reason = "the alternative is unsafe because of the flag FILES, which is not used here"
    )]
    fn private_mounts() -> rustix::io::Result<()> {
        rustix::thread::unshare(UnshareFlags::NEWNS)
    }

    /// The topmost folder above `path` that the user cannot enter, or must not see.
    fn closed_to(path: &Path, confinement: &Confinement) -> io::Result<Option<PathBuf>> {
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        above.reverse();
        for folder in above {
            let hidden = confinement.hide.iter().any(|hide| hide == folder);
            if hidden || !allows(&fs::metadata(folder)?, confinement.user, 0o1) {
                return Ok(Some(folder.to_path_buf()));
            }
        }
        Ok(None)
    }

    /// Whether the mode grants `user` the right (4 read, 2 write, 1 enter).
    fn allows(metadata: &fs::Metadata, user: u32, right: u32) -> bool {
        let shift = match (metadata.uid() == user, metadata.gid() == user) {
            (true, _) => 6,
            (false, true) => 3,
            (false, false) => 0,
        };
        metadata.mode() >> shift & right == right
    }

    fn show(path: &Path, user: u32) -> io::Result<Shown> {
        let metadata = fs::metadata(path)?;
        let folder = metadata.is_dir();
        let what = if folder || allows(&metadata, user, 0o4) {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_RECURSIVE;
            What::Tree(open_tree(CWD, path, flags)?)
        } else {
            // A file that only its owner can read, such as a key of mode 0600, is copied for the
            // server.
            What::Copy(fs::read(path)?)
        };
        Ok(Shown { path: path.to_path_buf(), folder, what })
    }

    fn put_back(shown: Shown, user: u32) -> io::Result<()> {
        let path = &shown.path;
        if let Some(parent) = path.parent() {
            make(parent)?;
        }
        match shown.what {
            What::Copy(bytes) => {
                fs::write(path, bytes)?;
                fs::set_permissions(path, Permissions::from_mode(0o400))?;
                std::os::unix::fs::chown(path, Some(user), Some(user))
            }
            What::Tree(tree) => {
                if shown.folder {
                    make(path)?;
                } else if !path.exists() {
                    fs::write(path, b"")?;
                }
                let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
                Ok(move_mount(&tree, c"", CWD, path, flags)?)
            }
        }
    }

    /// Makes a folder that everyone may enter, whatever the umask.
    fn make(folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(parent) = folder.parent() {
            make(parent)?;
        }
        DirBuilder::new().mode(0o755).create(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o755))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::path::Path;

    use super::{Confinement, Error};

    pub fn available() -> bool {
        false
    }

    pub fn hand_over(_folder: &Path, _user: u32) -> Result<(), Error> {
        Ok(())
    }

    pub fn enter(_confinement: &Confinement, _program: &Path) -> Result<(), Error> {
        Err(Error::NotOnThisPlatform("running servers as a separate user requires Linux"))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn c1_handing_over_follows_no_link() {
        if !available() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir_all(data.join("deep")).unwrap();
        fs::write(data.join("deep/file"), "x").unwrap();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "p").unwrap();
        symlink(&outside, data.join("folder")).unwrap();
        symlink(outside.join("precious"), data.join("deep/link")).unwrap();
        hand_over(&data, SERVER_USER).unwrap();
        let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
        assert_eq!(owner(&data.join("deep/file")), SERVER_USER);
        assert_eq!(owner(&data), SERVER_USER);
        assert_eq!(owner(&outside), 0);
        assert_eq!(owner(&outside.join("precious")), 0);
        let link = folder.path().join("link");
        symlink(&outside, &link).unwrap();
        assert!(hand_over(&link, SERVER_USER).is_err());
        assert_eq!(owner(&outside), 0);
    }
}
