//! The server binary, fetched once for all tests and all their processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// Allows npm to fetch over a slow connection.
const FETCH_DEADLINE: Duration = Duration::from_secs(300);

/// The folder `bin` with the binary in it.
pub fn bin_dir() -> &'static Path {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    BIN.get_or_init(|| {
        let shared = super::target::scratch().join("shared");
        fs::create_dir_all(&shared).unwrap();
        // nextest runs every test in a separate process.
        let lock = File::create(shared.join("lock")).unwrap();
        lock.lock().unwrap();
        assert_cmd::Command::new(super::target::demo())
            .args(["sqld", "install", "--project-dir"])
            .arg(&shared)
            .timeout(FETCH_DEADLINE)
            .assert()
            .success();
        shared.join(".local/bin")
    })
}

/// Links the binary into a project, which costs nothing.
pub fn link_into(bin: &Path) {
    fs::create_dir_all(bin).unwrap();
    for entry in fs::read_dir(bin_dir()).unwrap() {
        let entry = entry.unwrap();
        fs::hard_link(entry.path(), bin.join(entry.file_name())).unwrap();
    }
}
