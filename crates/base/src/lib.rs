//! What every other crate may use: failures that a person can act on, files that are
//! whole or not there, waiting with a deadline. Nothing of it knows libSQL.

pub mod error;
pub mod exit_code;
pub mod files;
pub mod hex;
pub mod progress;
pub mod ready;
