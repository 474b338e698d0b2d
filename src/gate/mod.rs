//! A reverse proxy that lets a database token do only what it says.

pub mod inspect;
