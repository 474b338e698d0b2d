//! What a replica shows, and when.

pub(super) mod outage;
pub(super) mod reads;
