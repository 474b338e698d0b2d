//! The HTTP API's answers.

pub(super) mod batch;
pub(super) mod streams;
pub(super) mod websocket;
pub(super) mod wire;
