//! Tenants: a namespace of one's own, its schema, its tokens, and its end.
//!
//! ```text
//! create   registry entry -> Admin API -> schema in one transaction
//! list     names from registry, data folders and metrics; the Admin API says which live
//! removal  registry entry -> replicas down -> Admin API -> files -> replicas up -> checks
//! ```
//!
//! Every step looks at what is there before it acts, so a run that was killed is
//! finished by the next one of the same command.

pub mod create;
pub mod list;
pub mod registry;
pub mod removal;
