//! Names of namespaces, keys, tokens and their claims: everything about the server that needs no
//! connection to it. No function here reads a file or opens a connection.

pub mod claims;
mod error;
pub mod jws;
pub mod keys;
pub mod moment;
pub mod namespace;
pub mod pem;
pub mod strict_json;
pub mod token;
pub mod verifier;

pub use error::Error;
