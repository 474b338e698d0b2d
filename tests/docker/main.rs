//! `demo` on a real Docker engine. Not part of `cargo test`: `scripts/test-docker.sh`
//! starts a daemon where none answers, makes the image and runs these.
//!
//! `DEMO_TEST_IMAGE` names a server image that the daemon has. A test without it
//! fails: it must not look as if it had passed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it means with them")]

mod compose;
mod daemon;
mod faults;
mod images;
mod interrupted;
mod site;
mod smoke;
mod stack;
mod tenant;
