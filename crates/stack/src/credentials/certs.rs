//! The certificates for mutual TLS between primary and replica: one CA, one server certificate and
//! one client certificate, made and replaced as a set.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SerialNumber,
};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::Error;
use demo_base::error::Result;

mod check;
mod info;

pub use info::CertificateInfo;

/// The name that sqld requires in the server certificate, whatever the URL says.
pub const SERVER_NAME: &str = "sqld";
/// All names of the server certificate: the required one, the name of the service in the compose
/// file, and those by which the host reaches it.
pub const SERVER_NAMES: [&str; 5] = [SERVER_NAME, "primary", "localhost", "127.0.0.1", "::1"];
/// Lifetime of every certificate, including the CA's.
const LIFE: Duration = Duration::from_hours(30 * 24);
/// How long before its creation a certificate becomes valid, for clocks that are behind.
const BACKDATED: Duration = Duration::from_hours(1);

/// Certificates and their keys as PEM. The keys are PKCS#8, the only format that sqld reads.
#[derive(Clone, Debug)]
pub struct CertificateSet {
    pub ca_cert: String,
    pub ca_key: SecretString,
    pub server_cert: String,
    pub server_key: SecretString,
    pub client_cert: String,
    pub client_key: SecretString,
}

impl CertificateSet {
    /// Makes a new CA, and a server and a client certificate signed by it. All have P-256 keys and
    /// are valid for 30 days from `now`.
    ///
    /// # Errors
    /// [`demo_base::Error::NoRandomBytes`]; [`Error::ClockBefore1970`] or [`Error::Unmade`] when `now`
    /// is outside the years that X.509 can express.
    pub fn generate(now: Timestamp) -> Result<Self> {
        let mut params = parameters("demo local CA", &[], now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(params, new_key()?)
            .map_err(unmade("cannot make the CA certificate"))?;
        let server = issue(
            "demo server",
            &SERVER_NAMES,
            ExtendedKeyUsagePurpose::ServerAuth,
            &authority,
            now,
        )?;
        let client =
            issue("demo client", &[], ExtendedKeyUsagePurpose::ClientAuth, &authority, now)?;
        Ok(Self {
            ca_cert: authority.pem(),
            ca_key: secret_pem(authority.key()),
            server_cert: server.0,
            server_key: server.1,
            client_cert: client.0,
            client_key: client.1,
        })
    }
}

fn issue(
    name: &str,
    names: &[&str],
    purpose: ExtendedKeyUsagePurpose,
    authority: &CertifiedIssuer<'_, KeyPair>,
    now: Timestamp,
) -> Result<(String, SecretString)> {
    let mut params = parameters(name, names, now)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    let key = new_key()?;
    let certificate = params
        .signed_by(&key, authority)
        .map_err(unmade(&format!("cannot make the certificate `{name}`")))?;
    Ok((certificate.pem(), secret_pem(&key)))
}

fn parameters(name: &str, names: &[&str], now: Timestamp) -> Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params =
        CertificateParams::new(names).map_err(unmade("a name of the certificate is wrong"))?;
    params.distinguished_name.push(DnType::CommonName, name);
    let seconds = u64::try_from(now.as_second()).map_err(Error::ClockBefore1970)?;
    let moment = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    params.not_before = moment - BACKDATED;
    params.not_after = moment + LIFE;
    params.serial_number = Some(new_serial()?);
    Ok(params)
}

/// 126 random bits; the two highest bits are fixed, so that the number is positive and always has
/// the same length.
fn new_serial() -> Result<SerialNumber, demo_base::Error> {
    let mut bytes = [0u8; 16];
    demo_base::random::fill(&mut bytes)?;
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn new_key() -> Result<KeyPair, Error> {
    KeyPair::generate().map_err(unmade("cannot make a P-256 key"))
}

fn unmade(problem: &str) -> impl FnOnce(rcgen::Error) -> Error {
    move |source| Error::Unmade { problem: problem.to_owned(), source }
}

fn secret_pem(key: &KeyPair) -> SecretString {
    SecretString::from(Zeroizing::new(key.serialize_pem()).as_str())
}

#[cfg(test)]
mod tests;
