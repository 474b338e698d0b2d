//! `demo mint serve`, with the issuer of the examples and a real primary.

mod attacks;
mod bulk;
mod configuration;
mod doors;
mod jwks_server;
mod keys;
mod logins;
mod namespaces;
mod recovery;
