//! What we know of the server: its pins, its binary, its control interfaces.

pub mod admin;
pub mod binary;
pub mod hrana;
pub mod http;
pub mod install;
pub mod pins;
pub mod replication;
