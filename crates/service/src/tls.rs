//! TLS of a listener. The files with the certificate and the key are read again when they
//! change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use tokio_rustls::TlsAcceptor;

use super::file_watch::follow_all;
use crate::Error;
use demo_base::error::Result;

/// The files of the certificate and its key, as named in a configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The certificate chain in PEM.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

impl Files {
    /// Makes relative paths relative to `folder`.
    pub fn resolve(&mut self, folder: &Path) {
        for file in [&mut self.certificate, &mut self.key] {
            *file = folder.join(&*file);
        }
    }
}

/// TLS with the last valid pair of certificate and key; clones share it.
#[derive(Clone)]
pub struct Tls {
    files: Files,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// Reads the files, for HTTP/1.1 and HTTP/2.
    ///
    /// # Errors
    /// [`Error::NoPem`] for a file that cannot be read or holds something else,
    /// [`Error::Mismatched`] for a key that does not belong to the certificate.
    pub fn open(files: Files) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let pair = pair(&files, &provider)?;
        let current = Arc::new(Current { pair: RwLock::new(Arc::new(pair)), provider });
        let mut config = ServerConfig::builder_with_provider(current.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { files, current, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Reads the files again, for new connections.
    ///
    /// # Errors
    /// As [`Tls::open`]; nothing changes then.
    pub fn read(&self) -> Result<()> {
        let pair = Arc::new(pair(&self.files, &self.current.provider)?);
        let mut current = self.current.pair.write().unwrap_or_else(PoisonError::into_inner);
        if current.cert != pair.cert {
            tracing::info!("the TLS certificate has changed");
        }
        *current = pair;
        Ok(())
    }

    /// Reads the files again whenever one has changed; never returns.
    pub async fn follow(self) {
        let paths = [self.files.certificate.clone(), self.files.key.clone()];
        follow_all(&paths, "TLS certificate and key", || self.read()).await;
    }
}

#[derive(Debug)]
struct Current {
    pair: RwLock<Arc<CertifiedKey>>,
    provider: Arc<CryptoProvider>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn pair(files: &Files, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let Files { certificate, key } = files;
    let unreadable = |path: &Path, what, source| Error::NoPem { path: path.into(), what, source };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(certificate, "certificate", Some(error)))?;
    if chain.is_empty() {
        return Err(unreadable(certificate, "certificate", None));
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| unreadable(key, "private key", Some(error)))?;
    CertifiedKey::from_der(chain, secret, provider).map_err(|source| Error::Mismatched {
        certificate: certificate.clone(),
        key: key.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l4_a_key_of_another_certificate_is_refused_and_a_bad_pair_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let made = || {
            let key = rcgen::KeyPair::generate().unwrap();
            let names = vec!["localhost".to_owned()];
            let made = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
            (made.pem(), key.serialize_pem())
        };
        let ((chain, secret), (other_chain, other_secret)) = (made(), made());
        let certificate = write("cert.pem", &chain);
        let key = write("key.pem", &secret);
        let foreign = write("other.pem", &other_secret);
        let files = |certificate: &Path, key: &Path| Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        assert!(Tls::open(files(&certificate, &foreign)).is_err());
        assert!(Tls::open(files(&key, &key)).is_err());
        assert!(Tls::open(files(&certificate, folder.path())).is_err());
        let tls = Tls::open(files(&certificate, &key)).unwrap();
        let shown = || tls.current.pair.read().unwrap().cert.clone();
        let first = shown();
        write("cert.pem", &other_chain);
        assert!(tls.read().is_err());
        assert_eq!(shown(), first);
        write("key.pem", &other_secret);
        tls.read().unwrap();
        assert_ne!(shown(), first);
    }
}
