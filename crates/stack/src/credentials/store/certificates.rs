//! The certificates as files, replaced as one set.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::{Action, Change, Store, lock, present, read, read_bytes, settle_mode};
use crate::credentials::certs::{CertificateInfo, CertificateSet};
use demo_base::error::Result;
use demo_base::files::{MODE_SECRET, MODE_SHARED, write_atomic};

/// The files and their modes. Everyone may read the keys of the server and the client, because the
/// server's user inside a container (uid 666) has to. Other users of this machine are kept out by
/// the mode 0700 of `.local`. Only this program reads the key of the CA.
const FILES: [(&str, u32); 6] = [
    ("ca_cert", MODE_SHARED),
    ("ca_key", MODE_SECRET),
    ("server_cert", MODE_SHARED),
    ("server_key", MODE_SHARED),
    ("client_cert", MODE_SHARED),
    ("client_key", MODE_SHARED),
];

impl Store {
    /// Makes only the certificates: where they are missing, where they have expired or do not fit
    /// together, and with `force` in any case.
    ///
    /// # Errors
    /// As [`Store::ensure`].
    pub fn ensure_certs(&self, now: Timestamp, force: bool) -> Result<Vec<Change>> {
        self.ensure_folders()?;
        let _lock = lock(&self.certs_dir())?;
        let mut changes = Vec::new();
        let mut missing = Vec::new();
        for (name, _) in FILES {
            if !present(&self.cert_path(name))? {
                missing.push(format!("{name}.pem"));
            }
        }
        let none = missing.len() == FILES.len();
        let why = if none || force {
            None
        } else if missing.is_empty() {
            self.read_set()?.problem(now)
        } else {
            Some(format!("{} was missing", missing.join(", ")))
        };
        let action = match (none, force, &why) {
            (true, ..) => Action::Created,
            (false, true, _) => Action::Replaced,
            (false, false, Some(_)) => Action::Renewed,
            (false, false, None) => {
                for (name, mode) in FILES {
                    settle_mode(&self.cert_path(name), mode, &mut changes)?;
                }
                return Ok(changes);
            }
        };
        self.write_set(&CertificateSet::generate(now)?)?;
        changes.push(Change {
            what: "certificates".to_owned(),
            path: self.certs_dir(),
            action,
            why,
        });
        Ok(changes)
    }

    pub(super) fn read_certificates(&self, now: Timestamp) -> Result<Vec<CertificateInfo>> {
        let information = |name: &str| -> Result<CertificateInfo> {
            let path = self.cert_path(name);
            let text = read(&path, "certificate")?;
            Ok(CertificateInfo::from_pem(&text, &path.display().to_string(), now)?)
        };
        let authority = information("ca_cert")?;
        let mut found =
            vec![authority.clone(), information("server_cert")?, information("client_cert")?];
        for certificate in &mut found {
            certificate.signed_by_ca = Some(certificate.is_signed_by(&authority));
        }
        Ok(found)
    }

    /// The raw content of the files; the check of the set validates it.
    fn read_set(&self) -> Result<CertificateSet> {
        let text = |name: &str| -> Result<String> {
            let bytes = read_bytes(&self.cert_path(name), "certificate file")?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let secret = |name: &str| text(name).map(SecretString::from);
        Ok(CertificateSet {
            ca_cert: text("ca_cert")?,
            ca_key: secret("ca_key")?,
            server_cert: text("server_cert")?,
            server_key: secret("server_key")?,
            client_cert: text("client_cert")?,
            client_key: secret("client_key")?,
        })
    }

    /// A crash between the writes leaves files of two sets, which the check of the next run
    /// detects.
    fn write_set(&self, set: &CertificateSet) -> Result<(), demo_base::Error> {
        let contents = [
            set.ca_cert.as_str(),
            set.ca_key.expose_secret(),
            set.server_cert.as_str(),
            set.server_key.expose_secret(),
            set.client_cert.as_str(),
            set.client_key.expose_secret(),
        ];
        for ((name, mode), text) in FILES.into_iter().zip(contents) {
            write_atomic(&self.cert_path(name), text.as_bytes(), mode)?;
        }
        Ok(())
    }
}
