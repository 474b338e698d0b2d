//! A stack of servers: the compose files become a plan, and an engine runs it.
//!
//! ```text
//! compose files + variables --> plan::blueprint --> StackPlan --> engine::Engine --> servers
//! ```
//!
//! An engine reads the plan and nothing else. [`state`] and [`credentials`] manage what is kept
//! under `.local`.
//!
//! Each of these modules has an `Error` of its own, and [`engine::docker`] has another one. A
//! function that passes on errors of several returns [`demo_base::error::Result`].

pub mod assets;
pub mod credentials;
pub mod engine;
pub mod plan;
pub mod state;
