//! What every other crate may use: errors, atomic writes, locks, and waiting with a
//! deadline. Nothing here depends on libSQL.

pub mod choice;
pub mod error;
pub mod files;
pub mod hex;
pub mod progress;
pub mod random;
pub mod ready;

pub use error::Error;
