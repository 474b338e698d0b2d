//! A stack of servers: what the compose files say becomes a plan, and an engine runs it.
//!
//! ```text
//! compose files + variables --> plan::blueprint --> StackPlan --> engine::Engine --> servers
//! ```
//!
//! An engine reads the plan and nothing else. What is kept under `.local` is in
//! [`state`] and [`credentials`].

pub mod assets;
pub mod credentials;
pub mod engine;
pub mod plan;
pub mod state;
