//! The command line: what a person types becomes values, the crates under `crates/` do
//! the work, and what they return is printed.
//!
//! `cli` knows clap, `settings` reads the environment, `output` prints; nothing else of
//! the workspace does. `docs/architecture.md` draws the crates.

pub mod cli;
pub mod commands;
pub mod doctor;
pub mod env_vars;
pub mod logs;
pub mod output;
pub mod settings;
