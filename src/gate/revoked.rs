//! The tokens that their operator has taken back: a file with one `jti` a line.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use crate::error::Result;
use crate::files;

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// The list as it is now; clones share it.
#[derive(Clone)]
pub struct Revoked(Arc<RwLock<Arc<HashSet<String>>>>);

impl Revoked {
    /// An empty list.
    pub fn nothing() -> Self {
        Self(Arc::default())
    }

    /// Whether the token with this `jti` was taken back.
    pub fn contains(&self, id: &str) -> bool {
        let list = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        list.contains(id)
    }

    /// Takes `text` for the whole list. Empty lines and lines with `#` in front count for nothing.
    pub fn replace(&self, text: &str) {
        let ids = text.lines().map(str::trim);
        let ids = ids.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let list = Arc::new(ids.map(str::to_owned).collect());
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = list;
    }

    /// Reads `path`.
    ///
    /// # Errors
    /// Exit 5 when there is no such file, exit 2 when it cannot be read.
    pub fn read(&self, path: &Path) -> Result<()> {
        self.replace(&files::read_text(path, "list of revoked tokens")?);
        Ok(())
    }

    /// Reads `path` again whenever it has changed, for ever. While it cannot be
    /// read, the list stays as it was.
    pub async fn follow(self, path: PathBuf) {
        // Once more at the start: it may have changed since it was read.
        let mut seen = None;
        let mut ticks = tokio::time::interval(INTERVAL);
        let mut failed = false;
        loop {
            ticks.tick().await;
            let now = stamp(&path);
            if now == seen && !failed {
                continue;
            }
            match self.read(&path) {
                Ok(()) => {
                    tracing::debug!("the list of revoked tokens was read");
                    (seen, failed) = (now, false);
                }
                Err(error) => {
                    if !failed {
                        tracing::error!(%error, "the list of revoked tokens cannot be read; the last one stays");
                    }
                    failed = true;
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ready::{Attempt, poll};

    #[tokio::test]
    async fn a_change_of_the_file_is_seen_and_its_loss_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked.txt");
        let revoked = Revoked::nothing();
        assert!(revoked.read(&path).is_err());
        std::fs::write(&path, "one\n\n# two\n").unwrap();
        revoked.read(&path).unwrap();
        assert!(revoked.contains("one") && !revoked.contains("two") && !revoked.contains(""));
        let follower = tokio::spawn(revoked.clone().follow(path.clone()));
        std::fs::write(&path, "three\r\n").unwrap();
        let seen = async || {
            let seen = revoked.contains("three") && !revoked.contains("one");
            Ok(if seen { Attempt::Done(()) } else { Attempt::Again("the old list".to_owned()) })
        };
        poll("the new list is there", Duration::from_secs(5), seen).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(revoked.contains("three"));
        follower.abort();
    }
}
