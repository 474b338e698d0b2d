//! The SQL that the server takes, and its sizes.

pub(super) mod crash;
pub(super) mod deadly;
pub(super) mod reach;

pub(super) mod coverage;
pub(super) mod files;
