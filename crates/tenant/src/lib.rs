//! Tenants: creates, lists and removes namespaces.
//!
//! ```text
//! create   registry entry -> Admin API
//! list     names from registry, data folders and metrics; the Admin API says which exist
//! removal  registry entry -> replicas down -> Admin API -> files -> replicas up -> checks
//! ```
//!
//! Every step checks the current state before it acts, so that after a run was killed,
//! running the same command again finishes the work.

pub mod create;
mod error;
pub mod list;
pub mod registry;
pub mod removal;

pub use error::Error;
