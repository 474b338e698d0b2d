//! The compose files, built into the binary for use outside a checkout.
//!
//! The files themselves are at the root of the repository, where people look for them; `assets/` of
//! this crate links to them.

/// A file of the project: its name and its content.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    pub name: &'static str,
    pub text: &'static str,
}

macro_rules! asset {
    ($name:literal) => {
        Asset { name: $name, text: include_str!(concat!("../assets/", $name)) }
    };
}

pub const BASE: Asset = asset!("docker-compose.yml");
pub const NAMESPACED: Asset = asset!("docker-compose.namespaced.yml");
pub const TLS: Asset = asset!("docker-compose.tls.yml");
pub const NAMESPACED_TLS: Asset = asset!("docker-compose.namespaced-tls.yml");
pub const DOCKERFILE: Asset = asset!("docker/Dockerfile");
pub const ENTRYPOINT: Asset = asset!("docker/entrypoint.sh");
pub const ENV_EXAMPLE: Asset = asset!(".env.example");

/// The files that `demo setup` writes outside a checkout.
pub const ALL: [Asset; 5] = [BASE, NAMESPACED, TLS, NAMESPACED_TLS, ENV_EXAMPLE];
