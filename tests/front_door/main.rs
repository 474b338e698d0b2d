//! The front door with nothing but real parts: login issuer, mint, gate, primary, replica,
//! and the clients of the npm registry. Not part of `cargo test`:
//! `scripts/test-front-door.sh` fetches the clients and runs these.
//!
//! `DEMO_TEST_EXAMPLES` names a copy of `examples/` with its `node_modules`. A test
//! without it fails: it must not look as if it had passed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it means with them")]

mod clients;
mod door;
mod mid_load;
