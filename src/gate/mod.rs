//! What stands in front of the servers and lets requests through.

pub mod routing;
