//! A stack of servers: the compose files become a plan, and an engine runs it.
//!
//! ```text
//! compose files + variables --> plan::blueprint --> StackPlan --> engine::Engine --> servers
//! ```
//!
//! An engine reads the plan and nothing else. [`state`] and [`credentials`] manage what is kept
//! under `.local`.

pub mod assets;
pub mod credentials;
pub mod engine;
pub mod plan;
pub mod state;
