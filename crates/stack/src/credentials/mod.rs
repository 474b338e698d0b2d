//! Keys, tokens and certificates of a stack, and the folder that stores them.
//!
//! Only [`store`] touches files; everything else here is pure.

pub mod certs;
mod error;
pub mod store;

pub use error::Error;
