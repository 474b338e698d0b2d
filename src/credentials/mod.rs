//! Keys, tokens and certificates of a stack, and the folder that keeps them.
//!
//! Everything here is pure apart from [`store`], the only part that touches files.

pub mod certs;
pub mod claims;
pub mod jws;
pub mod keys;
pub mod moment;
mod pem;
pub mod store;
pub mod token;
pub mod verifier;
