//! Where cargo has put things, told from where the running test is.

use std::path::{Path, PathBuf};

/// The binary under test, built beside the tests.
pub fn demo() -> PathBuf {
    profile().join("demo")
}

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The folder for what tests write, that of cargo's `CARGO_TARGET_TMPDIR`.
pub fn scratch() -> PathBuf {
    let folder = profile().parent().unwrap().join("tmp");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// `target/debug`, above the `deps` that the test is in.
fn profile() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let deps = test.ancestors().find(|folder| folder.ends_with("deps")).unwrap();
    deps.parent().unwrap().to_path_buf()
}
