//! Certificates with a fault, made in place of the stack's good ones.

use std::path::Path;

use ed25519_dalek::pkcs8::PrivateKeyInfoRef;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

use crate::Error;
use demo_base::error::Result;
use demo_base::files::{self, MODE_SHARED};

/// What the certificates are like.
#[derive(Clone, Copy)]
pub struct Shape {
    pub server_names: &'static [&'static str],
    pub server_expired: bool,
    pub client_expired: bool,
    /// Another CA than the primary's signs the client certificate.
    pub client_foreign: bool,
}

impl Shape {
    /// A set with which all works.
    pub const GOOD: Self = Self {
        server_names: &["primary", "localhost", "127.0.0.1", "sqld"],
        server_expired: false,
        client_expired: false,
        client_foreign: false,
    };

    /// Writes a new set over the one in the folder of a stack.
    ///
    /// # Errors
    /// When a certificate cannot be made or written.
    pub fn write(self, folder: &Path) -> Result<()> {
        let authority = authority()?;
        let stranger = authority_of_client(self.client_foreign)?;
        let client_authority = stranger.as_ref().unwrap_or(&authority);
        let server_use = ExtendedKeyUsagePurpose::ServerAuth;
        let server = issue(self.server_names, server_use, self.server_expired, &authority)?;
        let client_use = ExtendedKeyUsagePurpose::ClientAuth;
        let client = issue(&[], client_use, self.client_expired, client_authority)?;
        let folder = folder.join(".local/certs");
        for (name, text) in [
            ("ca_cert.pem", authority.pem()),
            ("server_cert.pem", server.0),
            ("server_key.pem", server.1),
            ("client_cert.pem", client.0),
            ("client_key.pem", client.1),
        ] {
            files::write_atomic(&folder.join(name), text.as_bytes(), MODE_SHARED)?;
        }
        Ok(())
    }
}

/// A new key in the older form that `openssl ec` writes: its PKCS#8 form holds it.
///
/// # Errors
/// When there is no randomness.
pub fn sec1_key() -> Result<String> {
    use base64::Engine;
    let whole = KeyPair::generate()?.serialize_der();
    let info = PrivateKeyInfoRef::try_from(whole.as_slice())
        .map_err(|error| Error::experiment_saw("a new key is not in PKCS#8 form", error))?;
    let body = base64::engine::general_purpose::STANDARD.encode(info.private_key.as_bytes());
    let lines: Vec<&str> = (0..body.len())
        .step_by(64)
        .filter_map(|from| body.get(from..(from + 64).min(body.len())))
        .collect();
    let label = "EC PRIVATE KEY";
    Ok(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")))
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority_of_client(foreign: bool) -> Result<Option<Authority>> {
    foreign.then(authority).transpose()
}

fn authority() -> Result<Authority> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "demo probe CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// A certificate and its key.
fn issue(
    names: &[&str],
    purpose: ExtendedKeyUsagePurpose,
    expired: bool,
    authority: &Authority,
) -> Result<(String, String)> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "demo probe");
    params.extended_key_usages = vec![purpose];
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    params.not_after = rcgen::date_time_ymd(if expired { 2020 } else { 4000 }, 1, 1);
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}
