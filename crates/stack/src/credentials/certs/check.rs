//! Whether a set of certificates can be used.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::KeyPair;
use secrecy::{ExposeSecret, SecretString};

use super::{CertificateInfo, CertificateSet, SERVER_NAME};
use demo_sqld::{moment, pem};

/// A certificate that expires within this time is replaced now, since a stack that starts today
/// should still run tomorrow.
const LAST_DAY: Duration = Duration::from_hours(24);

impl CertificateSet {
    /// What is wrong with the set at `now`, in words that name the file; `None` when servers can
    /// use it for at least a day.
    pub fn problem(&self, now: Timestamp) -> Option<String> {
        self.find_problem(now).err()
    }

    fn find_problem(&self, now: Timestamp) -> Result<(), String> {
        let read = |text: &str, file: &str| {
            CertificateInfo::from_pem(text, file, now).map_err(|error| error.to_string())
        };
        let authority = read(&self.ca_cert, "ca_cert.pem")?;
        let server = read(&self.server_cert, "server_cert.pem")?;
        let client = read(&self.client_cert, "client_cert.pem")?;
        for (certificate, key, key_file) in [
            (&authority, &self.ca_key, "ca_key.pem"),
            (&server, &self.server_key, "server_key.pem"),
            (&client, &self.client_key, "client_key.pem"),
        ] {
            let file = &certificate.file;
            in_time(certificate, now)?;
            if !certificate.is_signed_by(&authority) {
                return Err(format!("{file} is not signed by the CA in ca_cert.pem"));
            }
            if public_half(key, key_file)? != certificate.public_key() {
                return Err(format!("{key_file} is not the key of {file}"));
            }
        }
        for (certificate, purpose) in [(&server, "server"), (&client, "client")] {
            if !certificate.purposes.contains(&purpose) {
                return Err(format!("{} is not for a {purpose}", certificate.file));
            }
        }
        if !server.names.iter().any(|name| name == SERVER_NAME) {
            return Err(format!("{} lacks the name `{SERVER_NAME}`", server.file));
        }
        Ok(())
    }
}

fn in_time(certificate: &CertificateInfo, now: Timestamp) -> Result<(), String> {
    let file = &certificate.file;
    if certificate.not_before > now {
        return Err(format!("{file} is not valid before {}", certificate.not_before));
    }
    // Saturates instead of overflowing.
    let tomorrow = now.checked_add(LAST_DAY).unwrap_or(Timestamp::MAX);
    if certificate.not_after <= tomorrow {
        return Err(format!("{file} {}", moment::expiry(certificate.not_after, now)));
    }
    Ok(())
}

/// The public key that belongs to a private one.
fn public_half(key: &SecretString, file: &str) -> Result<Vec<u8>, String> {
    let text = key.expose_secret();
    let blocks = pem::blocks(text, file).map_err(|error| error.to_string())?;
    // The server crashes on the older EC format.
    if !blocks.iter().any(|block| block.label == "PRIVATE KEY") {
        return Err(format!("{file} is not in PKCS#8 format"));
    }
    let pair = KeyPair::from_pem(text).map_err(|_| format!("{file} contains no usable key"))?;
    Ok(pair.public_key_raw().to_vec())
}
