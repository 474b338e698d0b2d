//! Watches files that the operator may change while a service runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::interval;

use demo_base::error::Result;

/// How often a file is checked.
const INTERVAL: Duration = Duration::from_millis(500);

/// Calls `read` whenever the file `path` has changed, and never returns. `read` must
/// change nothing when it fails. `what` names the file in the log.
///
/// A changed file is read only once it is the same in two checks, because it may still be
/// being written.
pub async fn follow(path: PathBuf, what: &'static str, read: impl Fn(&Path) -> Result<()>) {
    follow_all(std::slice::from_ref(&path), what, || read(&path)).await;
}

/// Like [`follow`], for several files that `read` reads together.
pub async fn follow_all(paths: &[PathBuf], what: &'static str, read: impl Fn() -> Result<()>) {
    let (mut last, mut taken) = (None, None);
    // A file may have changed since it was read at startup.
    let mut is_current = false;
    let mut complained = false;
    let mut ticks = interval(INTERVAL);
    loop {
        ticks.tick().await;
        let now = Some(paths.iter().map(|path| stamp(path)).collect::<Vec<_>>());
        let settled = last == now;
        if !settled {
            last = now;
            continue;
        }
        if is_current && now == taken {
            continue;
        }
        match read() {
            Ok(()) => {
                tracing::debug!(what, "read again");
                (taken, is_current, complained) = (now, true, false);
            }
            Err(error) => {
                if !complained {
                    tracing::error!(what, %error, "cannot read the file; the old content stays");
                }
                (is_current, complained) = (false, true);
            }
        }
    }
}

/// What changes when a file changes. Two writes of the same length within the resolution of
/// the clock look the same; replacing the file as a whole avoids that.
fn stamp(path: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::fs;

    use super::*;
    use demo_base::files;
    use demo_base::ready::{Attempt, poll};

    #[tokio::test]
    async fn changes_are_seen_and_the_loss_of_the_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        fs::write(&path, "one").unwrap();
        let (held, tries) = (RefCell::new(String::new()), Cell::new(0));
        let read = |path: &Path| {
            tries.set(tries.get() + 1);
            *held.borrow_mut() = files::read_text(path, "list")?;
            Ok(())
        };
        let until = async |what: &str, met: &dyn Fn() -> bool| {
            let attempt = async || {
                Ok(if met() { Attempt::Done(()) } else { Attempt::Again(held.borrow().clone()) })
            };
            poll(what, Duration::from_secs(10), attempt).await.unwrap();
        };
        let story = async {
            until("the file is read", &|| *held.borrow() == "one").await;
            fs::write(&path, "two").unwrap();
            until("the change is noticed", &|| *held.borrow() == "two").await;
            fs::remove_file(&path).unwrap();
            let before = tries.get();
            until("reading is tried", &|| tries.get() > before).await;
            assert_eq!(*held.borrow(), "two");
            fs::write(&path, "three").unwrap();
            until("the new file is read", &|| *held.borrow() == "three").await;
        };
        tokio::select! {
            () = story => {}
            () = follow(path.clone(), "list", read) => unreachable!("it never ends"),
        }
    }
}
