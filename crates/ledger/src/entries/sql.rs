//! The SQL that the server accepts, and its size limits.

pub(super) mod crash;
pub(super) mod deadly;
pub(super) mod reach;

pub(super) mod coverage;
pub(super) mod files;
