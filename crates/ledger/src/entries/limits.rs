//! What the server bounds, and what it does at the bound.

pub(super) mod connections;

pub(super) mod active;
pub(super) mod settings;
