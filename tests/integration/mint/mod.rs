//! `demo mint serve`, with the issuer of the examples and a real primary.

mod bulk;
mod configuration;
mod doors;
mod logins;
mod namespaces;
mod recovery;
mod world;
