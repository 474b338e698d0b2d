//! Keys, tokens and certificates of a stack, and the folder that keeps them.
//!
//! Everything here is pure apart from [`store`], the only part that touches files.

pub mod certs;
pub mod store;
