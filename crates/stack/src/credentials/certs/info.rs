//! The content of a certificate, read from its PEM.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::default_provider;
use serde::Serialize;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::credentials::Error;
use demo_sqld::{moment, pem};

/// A certificate's names and dates.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateInfo {
    /// The file it was read from.
    pub file: String,
    pub subject: String,
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// The subject alternative names, host names and addresses.
    pub names: Vec<String>,
    /// What it may be used for: `ca`, `server`, `client`.
    pub purposes: Vec<&'static str>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// Whether the CA of the same set signed it; `None` when the CA is unknown.
    pub signed_by_ca: Option<bool>,
    /// When it was read, to compute "expires in".
    #[serde(skip)]
    read_at: Timestamp,
    #[serde(skip)]
    der: Vec<u8>,
    #[serde(skip)]
    public_key: Vec<u8>,
}

impl CertificateInfo {
    /// Reads the first certificate of a PEM file. `file` is its name in messages, and `now` the
    /// time from which "expires in" is counted.
    ///
    /// # Errors
    /// [`Error::NotPem`], [`Error::NotACertificate`] or [`Error::DamagedCertificate`].
    pub fn from_pem(text: &str, file: &str, now: Timestamp) -> Result<Self, Error> {
        let blocks = pem::blocks(text, file).map_err(Error::NotPem)?;
        let Some(block) = blocks.iter().find(|block| block.label == "CERTIFICATE") else {
            let found = blocks.first().map_or_else(|| "nothing".to_owned(), pem::Block::describe);
            return Err(Error::NotACertificate { file: file.to_owned(), found });
        };
        let damaged = |source| Error::DamagedCertificate { file: file.to_owned(), source };
        let der = block.der().ok_or_else(|| damaged(None))?.to_vec();
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| damaged(None))?;
        let validity = certificate.validity();
        let time =
            |seconds: i64| Timestamp::from_second(seconds).map_err(|error| damaged(Some(error)));
        Ok(Self {
            file: file.to_owned(),
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: certificate.raw_serial_as_string().replace(':', ""),
            names: alternative_names(&certificate),
            purposes: purposes(&certificate),
            not_before: time(validity.not_before.timestamp())?,
            not_after: time(validity.not_after.timestamp())?,
            signed_by_ca: None,
            read_at: now,
            public_key: certificate.public_key().subject_public_key.data.to_vec(),
            der,
        })
    }

    /// Whether `authority` is a CA that has signed this certificate.
    pub fn is_signed_by(&self, authority: &Self) -> bool {
        let (Ok((_, own)), Ok((_, above))) =
            (X509Certificate::from_der(&self.der), X509Certificate::from_der(&authority.der))
        else {
            return false;
        };
        // The algorithm need not be compared: a signature by another algorithm does not verify.
        let algorithms = default_provider().signature_verification_algorithms.all;
        above.is_ca()
            && own.issuer() == above.subject()
            && algorithms.iter().any(|algorithm| {
                let key = &above.public_key().subject_public_key.data;
                let signed = own.tbs_certificate.as_ref();
                algorithm.verify_signature(key, signed, &own.signature_value.data).is_ok()
            })
    }

    /// The bits of the public key, without its algorithm.
    pub(super) fn public_key(&self) -> &[u8] {
        &self.public_key
    }
}

impl fmt::Display for CertificateInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = if self.signed_by_ca == Some(false) {
            ", but the CA of this set has not signed it"
        } else {
            ""
        };
        let list = |items: &[String]| {
            if items.is_empty() { "none".to_owned() } else { items.join(", ") }
        };
        let purposes: Vec<String> = self.purposes.iter().map(|name| (*name).to_owned()).collect();
        writeln!(formatter, "{}", self.file)?;
        writeln!(formatter, "  subject   {}", self.subject)?;
        writeln!(formatter, "  issuer    {}{signed}", self.issuer)?;
        writeln!(formatter, "  names     {}", list(&self.names))?;
        writeln!(formatter, "  for       {}", list(&purposes))?;
        let end = moment::expiry(self.not_after, self.read_at);
        write!(formatter, "  valid     {} to {}, {end}", self.not_before, self.not_after)
    }
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => address(bytes),
        other => other.to_string(),
    };
    extension.value.general_names.iter().map(text).collect()
}

fn address(bytes: &[u8]) -> String {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    address.map_or_else(|_| "an address of an unknown kind".to_owned(), |known| known.to_string())
}

fn purposes(certificate: &X509Certificate<'_>) -> Vec<&'static str> {
    let extended = certificate.extended_key_usage().ok().flatten().map(|found| found.value);
    [
        ("ca", certificate.is_ca()),
        ("server", extended.is_some_and(|usage| usage.server_auth || usage.any)),
        ("client", extended.is_some_and(|usage| usage.client_auth || usage.any)),
    ]
    .into_iter()
    .filter_map(|(name, given)| given.then_some(name))
    .collect()
}
