//! The folders of Cargo, relative to the running test.

use std::path::{Path, PathBuf};

/// The `demo` binary, which is built beside the tests.
pub fn demo() -> PathBuf {
    profile().join("demo")
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The folder for files of the tests, as in Cargo's `CARGO_TARGET_TMPDIR`.
pub fn scratch() -> PathBuf {
    let folder = profile().parent().unwrap().join("tmp");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// `target/debug`, above the folder `deps` that contains the test.
fn profile() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let deps = test.ancestors().find(|folder| folder.ends_with("deps")).unwrap();
    deps.parent().unwrap().to_path_buf()
}
