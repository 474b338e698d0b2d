//! A pid that can be trusted, because the server itself holds a lock on the file.
//!
//! The launcher locks the file and then becomes the server, so the lock lives exactly as long as
//! the process. If the lock is free, nothing is running, and the pid in the file means nothing,
//! whichever process has that number now.

use std::fs::{self, File, TryLockError};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::{Pid, Signal};

use demo_base::error::{Fault, Result};

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
    /// When it cannot be written, or when a running server holds it.
    pub fn take(&self) -> Result<File> {
        let fault =
            |error| Fault::input(format!("cannot write {}", self.0.display())).because(error);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.0)
            .map_err(fault)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                // A check holds the lock for microseconds, a server for as long as it lives.
                Err(TryLockError::WouldBlock) if started.elapsed() < LOOKERS => {
                    std::thread::yield_now();
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Fault::failed(format!(
                        "a running server holds {}",
                        self.0.display()
                    ))
                    .into());
                }
                Err(TryLockError::Error(error)) => return Err(fault(error).into()),
            }
        }
        file.set_len(0).map_err(fault)?;
        file.rewind().map_err(fault)?;
        writeln!(file, "{}", std::process::id()).map_err(fault)?;
        Ok(file)
    }

    /// The process that holds the file, if there is one.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn holder(&self) -> Result<Option<Holder>> {
        let fault =
            |error| Fault::input(format!("cannot read {}", self.0.display())).because(error);
        let file = match File::open(&self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(error).into()),
        };
        match file.try_lock_shared() {
            // The lock is free, or shared with another check: no server holds it.
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(fault(error).into()),
        }
        let text = fs::read_to_string(&self.0).map_err(fault)?;
        // Between locking the file and writing its pid, the launcher is not the server yet.
        let pid = text.trim().parse().ok().and_then(Pid::from_raw);
        let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
        let since = modified.and_then(|time| Timestamp::try_from(time).ok());
        Ok(pid.map(|pid| Holder { pid, since }))
    }

    /// Sends `signal` to `holder`, if it still holds the file.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, holder: Holder, signal: Signal) -> Result<()> {
        let sent = self.send(holder, signal)?;
        match sent {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(Fault::failed(format!(
                "cannot stop the server with pid {}",
                holder.pid.as_raw_nonzero()
            ))
            .because(error)
            .into()),
        }
    }

    /// An open descriptor pins the process behind the number. If that process still holds the file
    /// afterwards, the signal reaches the right one.
    #[cfg(target_os = "linux")]
    fn send(&self, holder: Holder, signal: Signal) -> Result<rustix::io::Result<()>> {
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
    fn send(&self, holder: Holder, signal: Signal) -> Result<rustix::io::Result<()>> {
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
