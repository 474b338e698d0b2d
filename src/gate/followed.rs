//! Files that the operator changes while the gate is open.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::interval;

use crate::error::Result;

/// How often a file is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Has `read` read the file `path` again whenever it has changed, for ever. While that
/// fails, what was read before stays; `what` it is, is for the log.
pub async fn follow(path: PathBuf, what: &'static str, read: impl Fn(&Path) -> Result<()>) {
    // Once more at the start: it may have changed since it was read.
    let mut seen = None;
    let mut ticks = interval(INTERVAL);
    let mut failed = false;
    loop {
        ticks.tick().await;
        let now = stamp(&path);
        if now == seen && !failed {
            continue;
        }
        match read(&path) {
            Ok(()) => {
                tracing::debug!(what, "read again");
                (seen, failed) = (now, false);
            }
            Err(error) => {
                if !failed {
                    tracing::error!(what, %error, "cannot be read; what was read before stays");
                }
                failed = true;
            }
        }
    }
}

/// What changes with a file; two writes of one length within the clock's step
/// look the same, which a file that is replaced as a whole avoids.
fn stamp(path: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}
