//! TLS of a listener: the certificate and the key that the operator names.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::error::{Fault, Result};

/// An acceptor for HTTP/1.1 and HTTP/2 with the chain in `certificate` and its `key`, both PEM.
///
/// # Errors
/// Exit 2 with the path for a file that cannot be read, holds something else, or
/// a key that does not belong to the certificate.
pub fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let unreadable = |path: &Path, what: &str| {
        Fault::input(format!("{} holds no {what} in PEM form", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(certificate, "certificate").because(error))?;
    if chain.is_empty() {
        return Err(unreadable(certificate, "certificate").into());
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| unreadable(key, "private key").because(error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| {
            Fault::input(format!(
                "{} and {} do not belong together",
                certificate.display(),
                key.display()
            ))
            .because(error)
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_passes_and_a_foreign_key_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let key = rcgen::KeyPair::generate().unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned()];
        let made = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let certificate = write("cert.pem", made.pem());
        let own = write("key.pem", key.serialize_pem());
        let foreign = write("other.pem", other.serialize_pem());
        acceptor(&certificate, &own).map(drop).unwrap();
        assert!(acceptor(&certificate, &foreign).is_err());
        assert!(acceptor(&own, &own).is_err());
        assert!(acceptor(&certificate, folder.path()).is_err());
    }
}
