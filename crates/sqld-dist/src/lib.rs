//! Finds, fetches and verifies the pinned server binary.

pub mod binary;
mod error;
pub mod install;
pub mod pins;

pub use error::Error;
