//! What can go wrong when a service starts to listen.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use rustls::pki_types::pem;

/// What can go wrong with the listeners and the threads of a service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Secrets would travel over a network in plain text.
    #[error("{address} is not a loopback address, and TLS is not configured")]
    Plaintext {
        /// The address of the service.
        address: SocketAddr,
    },
    /// Metrics would travel over a network in plain text.
    #[error("the admin address {address} is not a loopback address and has no TLS")]
    PlaintextAdmin {
        /// The address of the admin listener.
        address: SocketAddr,
    },
    /// The address is in use, or does not belong to this machine.
    #[error("cannot listen on {address}")]
    AddressUnusable {
        /// The address to listen on.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A file of the TLS configuration cannot be read, or holds something else.
    #[error("{} holds no {what} in PEM form", path.display())]
    NoPem {
        /// The file.
        path: PathBuf,
        /// What it should hold, such as "private key".
        what: &'static str,
        /// Why it cannot be read; none for a file that can be read but holds nothing.
        source: Option<pem::Error>,
    },
    /// The key does not belong to the certificate.
    #[error("{} and {} do not belong together", certificate.display(), key.display())]
    Mismatched {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the private key.
        key: PathBuf,
        /// The error of the TLS library.
        source: rustls::Error,
    },
    /// A bug ended the service.
    #[error("the service panicked")]
    Panicked,
}
