//! The pinned server binary: which builds there are, where one comes from, and whether
//! the one at hand is it.

pub mod binary;
pub mod install;
pub mod pins;
