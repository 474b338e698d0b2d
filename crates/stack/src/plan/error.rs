//! What can go wrong with a plan.

use std::net::IpAddr;

use super::Interface;

/// What can go wrong with a plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A service of the compose files asks for something that no engine does.
    #[error("service `{service}`, `{key}`: {problem}")]
    Unsupported {
        /// The name of the service.
        service: String,
        /// The key of the service, such as "ports".
        key: &'static str,
        /// What is not supported.
        problem: String,
    },
    /// Other machines could reach a port.
    #[error("service `{service}`, `ports`: {published} would be open to the network on {ip}")]
    OpenPort {
        /// The name of the service.
        service: String,
        /// The address on which it would listen.
        ip: IpAddr,
        /// The port of the host.
        published: u16,
        /// The port of the container.
        target: u16,
    },
    /// Compose does not know a restart policy.
    #[error("service `{service}`: `{policy}` is not a restart policy")]
    NotARestartPolicy {
        /// The name of the service.
        service: String,
        /// What the compose files say.
        policy: String,
    },
    /// A service cannot run as a process of this machine.
    #[error("service `{service}`: {problem}")]
    NeedsContainer {
        /// The name of the service.
        service: String,
        /// Why not.
        problem: String,
    },
    /// The plan has no service of this name.
    #[error("there is no service `{name}`")]
    NoService {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        services: Vec<String>,
    },
    /// A service does not publish an interface.
    #[error("service `{service}` publishes no {interface} port")]
    Unpublished {
        /// The name of the service.
        service: String,
        /// The interface that was asked for.
        interface: Interface,
    },
}
