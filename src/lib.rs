//! The harness with which people find out what a self-hosted libSQL server does.
//!
//! ```text
//! compose files + .env + flags --> Settings --> StackPlan --> Engine --> running stack
//!                                                   |
//!            client, server::admin, server::hrana <-+-> smoke --> Report --> text, JSON, JUnit, Markdown
//! ```
//!
//! Dependencies point downwards: `main`, `cli`, `commands`, then `smoke`, then
//! `client`, `engine`, `credentials`, then `plan`, `ready`, `state`, `server`,
//! then `compose`, then `files`, `hex`, `error`, `exit_code`. Only `output` prints;
//! only `settings` reads the environment.

pub mod cli;
pub mod commands;
pub mod doctor;
pub mod env_vars;
pub mod logs;
pub mod output;
pub mod settings;
