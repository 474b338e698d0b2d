//! The HTML report of `demo probe` in a real browser. Not part of `cargo test`, since not
//! every machine has Chromium and its driver: `scripts/test-browser.sh` runs it. Without
//! them a test fails: it must not look as if it had passed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it means with them")]

mod chrome;
mod probe_report;
