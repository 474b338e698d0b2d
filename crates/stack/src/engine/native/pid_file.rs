//! A pid that can be trusted, because the server itself holds a lock on the file.
//!
//! The launcher locks the file and then becomes the server, so the lock lives exactly as long as
//! the process. If the lock is free, nothing is running, and the pid in the file means nothing,
//! whichever process has that number now.

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::{Pid, Signal};

use crate::engine::Error;

/// How long a launcher waits for a process that is only checking the lock.
const LOOKERS: Duration = Duration::from_secs(2);

/// The pid file of one service.
#[derive(Clone, Debug)]
pub struct PidFile(PathBuf);

/// The process that holds a pid file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Holder {
    pub pid: Pid,
    pub since: Option<Timestamp>,
}

impl PidFile {
    /// The pid file at `path`, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Locks the file for this process and writes its pid into it.
    ///
    /// # Errors
    /// [`Error::NoAccess`] when it cannot be written; [`Error::PidFileHeld`].
    pub fn take(&self) -> Result<File, Error> {
        let no_access = |source| self.no_access("write", source);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.0)
            .map_err(no_access)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // A check holds the lock for microseconds, a server for as long as it lives.
                Err(TryLockError::WouldBlock) if started.elapsed() < LOOKERS => {
                    std::thread::yield_now();
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::PidFileHeld { path: self.0.clone() });
                }
                Err(TryLockError::Error(error)) => return Err(no_access(error)),
            }
        }
        file.set_len(0).map_err(no_access)?;
        file.rewind().map_err(no_access)?;
        writeln!(file, "{}", std::process::id()).map_err(no_access)?;
        Ok(file)
    }

    /// The process that holds the file, if there is one.
    ///
    /// # Errors
    /// [`Error::NoAccess`] when the file exists and cannot be read.
    pub fn holder(&self) -> Result<Option<Holder>, Error> {
        let no_access = |source| self.no_access("read", source);
        let file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(no_access(error)),
        };
        match file.try_lock_shared() {
            // The lock is free, or shared with another check: no server holds it.
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(no_access(error)),
        }
        let text = fs::read_to_string(&self.0).map_err(no_access)?;
        // Between locking the file and writing its pid, the launcher is not the server yet.
        let pid = text.trim().parse().ok().and_then(Pid::from_raw);
        let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let since = modified.and_then(|time| Timestamp::try_from(time).ok());
        Ok(pid.map(|pid| Holder { pid, since }))
    }

    /// Sends `signal` to `holder`, if it still holds the file.
    ///
    /// # Errors
    /// [`Error::Refused`] when the system refuses; as [`PidFile::holder`].
    pub fn signal(&self, holder: Holder, signal: Signal) -> Result<(), Error> {
        let sent = self.send(holder, signal)?;
        match sent {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(Error::Refused {
                operation: format!("stop the server with pid {}", holder.pid.as_raw_nonzero()),
                source: error.into(),
            }),
        }
    }

    fn no_access(&self, verb: &str, source: io::Error) -> Error {
        Error::NoAccess { operation: format!("{verb} {}", self.0.display()), source }
    }

    /// An open descriptor pins the process behind the number. If that process still holds the file
    /// afterwards, the signal reaches the right one.
    #[cfg(target_os = "linux")]
    fn send(&self, holder: Holder, signal: Signal) -> Result<rustix::io::Result<()>, Error> {
        use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
        let descriptor = match pidfd_open(holder.pid, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            Err(error) => return Ok(Err(error)),
        };
        if self.holder()? != Some(holder) {
            return Ok(Ok(()));
        }
        Ok(pidfd_send_signal(&descriptor, signal))
    }

    #[cfg(not(target_os = "linux"))]
    fn send(&self, holder: Holder, signal: Signal) -> Result<rustix::io::Result<()>, Error> {
        if self.holder()? != Some(holder) {
            return Ok(Ok(()));
        }
        Ok(rustix::process::kill_process(holder.pid, signal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_without_its_lock_is_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let file = PidFile::new(folder.path().join("primary.pid"));
        assert_eq!(file.holder().unwrap(), None);
        // A stale file that names a running process: this one.
        fs::write(file.path(), format!("{}\n", std::process::id())).unwrap();
        assert_eq!(file.holder().unwrap(), None);
        let held = file.take().unwrap();
        let holder = file.holder().unwrap().unwrap();
        assert_eq!(holder.pid.as_raw_nonzero().get().unsigned_abs(), std::process::id());
        drop(held);
        assert_eq!(file.holder().unwrap(), None);
    }
}
