//! The command line: parses the arguments into values, calls the crates under `crates/`, and prints
//! what they return.
//!
//! Only `cli` depends on clap, only `settings` reads the environment, and only `output` prints.
//! `docs/architecture.md` shows how the crates depend on each other.

pub mod cli;
pub mod commands;
pub mod doctor;
pub mod env_vars;
pub mod exit_code;
pub mod explain;
pub mod fault;
pub mod logs;
pub mod output;
pub mod settings;
