//! Finds, fetches and verifies the pinned server binary.

pub mod binary;
pub mod install;
pub mod pins;
