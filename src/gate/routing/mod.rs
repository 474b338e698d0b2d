//! Which server a request goes to.

pub mod classify;
pub mod scan;
mod sql;
mod wire;
