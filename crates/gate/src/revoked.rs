//! The tokens that the operator has revoked: a file with one `jti` per line.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, RwLock};

use demo_base::error::Result;
use demo_base::files;

/// The list as it is now; clones share it.
#[derive(Clone)]
pub struct Revoked(Arc<RwLock<Arc<HashSet<String>>>>);

impl Revoked {
    /// An empty list.
    pub fn nothing() -> Self {
        Self(Arc::default())
    }

    /// Whether the token with this `jti` is revoked.
    pub fn contains(&self, id: &str) -> bool {
        let list = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        list.contains(id)
    }

    /// Replaces the whole list with `text`. Empty lines and lines that begin with `#` are skipped.
    pub fn replace(&self, text: &str) {
        let ids = text.lines().map(str::trim);
        let ids = ids.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let list = Arc::new(ids.map(str::to_owned).collect());
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = list;
    }

    /// Reads `path`.
    ///
    /// # Errors
    /// Exit 5 when the file does not exist, exit 2 when it cannot be read.
    pub fn read(&self, path: &Path) -> Result<()> {
        self.replace(&files::read_text(path, "list of revoked tokens")?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_whole_list_and_one_that_is_missing_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked.txt");
        let revoked = Revoked::nothing();
        std::fs::write(&path, "one\n\n# two\n").unwrap();
        revoked.read(&path).unwrap();
        assert!(revoked.contains("one") && !revoked.contains("two") && !revoked.contains(""));
        std::fs::write(&path, "three\r\n").unwrap();
        revoked.read(&path).unwrap();
        assert!(revoked.contains("three") && !revoked.contains("one"));
        std::fs::remove_file(&path).unwrap();
        assert!(revoked.read(&path).is_err());
        assert!(revoked.contains("three"));
    }
}
