//! Ed25519 keys: the private one that signs tokens, the public ones that servers trust.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::{KeypairBytes, PrivateKeyInfoRef, PublicKeyBytes, spki};
use ed25519_dalek::{SECRET_KEY_LENGTH, VerifyingKey};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::pem::{self, Block};
use demo_base::error::{Fault, Result};

/// The DER of a PKCS#8 v1 Ed25519 key up to its 32 secret bytes (RFC 8410). Version 1, because
/// OpenSSL before 3.5 cannot read version 2.
const PRIVATE_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// The DER of an Ed25519 SPKI up to its 32 bytes (RFC 8410).
const PUBLIC_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Length of a public key in base64url without padding.
const PUBLIC_BASE64_LENGTH: usize = 43;

/// A private key, which is erased from memory when dropped.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SigningKey").field(&"[masked]").finish()
    }
}

impl SigningKey {
    /// Makes a new key from the system's randomness.
    ///
    /// # Errors
    /// When the system provides no randomness.
    pub fn generate() -> Result<Self> {
        let mut seed = Zeroizing::new([0u8; SECRET_KEY_LENGTH]);
        demo_base::random::fill(seed.as_mut_slice())?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// Reads a PKCS#8 PEM, with or without the public key in it; `place` is its origin, for
    /// messages.
    ///
    /// # Errors
    /// Exit 2, naming what the text contains instead of an Ed25519 private key.
    pub fn from_pem(text: &str, place: &str) -> Result<Self> {
        Ok(Self::parse(text, place).map_err(|fault| match fault.hint_text() {
            Some(_) => fault,
            None => fault.hint(format!(
                "an Ed25519 key is needed: run `demo setup --force` to make a new one, or \
                 `openssl genpkey -algorithm ed25519 -out {place}`"
            )),
        })?)
    }

    fn parse(text: &str, place: &str) -> Result<Self, Fault> {
        let blocks = pem::blocks(text, place)?;
        let Some(block) = blocks.iter().find(|block| block.is_private()).or(blocks.first()) else {
            return Err(Fault::input(format!("{place} is empty")));
        };
        if block.is_encrypted() {
            return Err(Fault::input(format!(
                "{place} contains {}, and demo cannot ask for its passphrase",
                block.describe()
            ))
            .hint(format!("run `openssl pkey -in {place}` to print it without a passphrase")));
        }
        let wrong =
            || Fault::input(format!("{place} contains {}, not a private key", block.describe()));
        if !block.is_private() {
            return Err(wrong());
        }
        let other = || {
            Fault::input(format!(
                "{place} contains {}; the server accepts only Ed25519",
                block.describe()
            ))
        };
        if block.label != "PRIVATE KEY" {
            return Err(other());
        }
        let damaged = || Fault::input(format!("{place} contains a damaged private key"));
        let der = block.der().ok_or_else(damaged)?;
        let info = PrivateKeyInfoRef::try_from(der.as_slice()).map_err(|_| damaged())?;
        if info.algorithm.oid != ed25519() {
            return Err(other());
        }
        let pair = KeypairBytes::try_from(info).map_err(|_| damaged())?;
        // Fails when the public key in the file does not belong to the private one.
        let key = ed25519_dalek::SigningKey::try_from(&pair).map_err(|_| damaged())?;
        Ok(Self(key))
    }

    /// PKCS#8 v1 PEM, byte for byte as `openssl genpkey` writes it.
    pub fn to_pem(&self) -> SecretString {
        let text = pem::encode("PRIVATE KEY", &self.to_der());
        SecretString::from(text.as_str())
    }

    /// PKCS#8 v1 DER.
    pub(super) fn to_der(&self) -> Zeroizing<Vec<u8>> {
        let mut secret = self.0.to_bytes();
        let mut der = Zeroizing::new(Vec::with_capacity(PRIVATE_PREFIX.len() + secret.len()));
        der.extend_from_slice(&PRIVATE_PREFIX);
        der.extend_from_slice(&secret);
        secret.zeroize();
        der
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
}

/// A public key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a single SPKI PEM; `place` is its origin, for messages.
    ///
    /// # Errors
    /// Exit 2, naming what the text contains instead of a single Ed25519 public key.
    pub fn from_pem(text: &str, place: &str) -> Result<Self> {
        let blocks = pem::blocks(text, place).map_err(with_public_hint)?;
        match blocks.as_slice() {
            [block] => Ok(Self::from_block(block, place).map_err(with_public_hint)?),
            several => {
                let fault =
                    Fault::input(format!("{place} contains {} keys, not one", several.len()));
                Err(with_public_hint(fault).into())
            }
        }
    }

    fn from_block(block: &Block<'_>, place: &str) -> Result<Self, Fault> {
        if block.label != "PUBLIC KEY" {
            return Err(Fault::input(format!(
                "{place} contains {}, not a public key",
                block.describe()
            )));
        }
        let damaged = || Fault::input(format!("{place} contains a damaged public key"));
        let der = block.der().ok_or_else(damaged)?;
        let info =
            spki::SubjectPublicKeyInfoRef::try_from(der.as_slice()).map_err(|_| damaged())?;
        if info.algorithm.oid != ed25519() {
            return Err(Fault::input(format!(
                "{place} contains {}; the server accepts only Ed25519",
                block.describe()
            )));
        }
        let bytes = PublicKeyBytes::try_from(info).map_err(|_| damaged())?;
        usable(&bytes.to_bytes()).ok_or_else(damaged)
    }

    /// SPKI PEM, byte for byte as `openssl pkey -pubout` writes it.
    pub fn to_pem(&self) -> String {
        let der = [PUBLIC_PREFIX.as_slice(), self.as_bytes()].concat();
        pem::encode("PUBLIC KEY", &der).to_string()
    }

    /// The thumbprint that identifies a key in messages and JWKS documents: RFC 7638 with SHA-256,
    /// in base64url.
    pub fn thumbprint(&self) -> String {
        let coordinate = URL_SAFE_NO_PAD.encode(self.as_bytes());
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{coordinate}"}}"#);
        URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
    }

    /// The 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

/// The keys that a server trusts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeySet(pub Vec<PublicKey>);

impl KeySet {
    /// Reads the key file of a server: concatenated SPKI PEM blocks, or a single key as 43
    /// characters of base64url. It is as strict as the server, which exits at start on anything
    /// else. `place` is the origin, for messages.
    ///
    /// # Errors
    /// Exit 2, naming what the server would reject.
    pub fn parse(text: &str, place: &str) -> Result<Self> {
        Ok(Self::parse_text(text, place).map_err(with_public_hint)?)
    }

    fn parse_text(text: &str, place: &str) -> Result<Self, Fault> {
        if let Some(key) = from_base64(text.trim()) {
            if text.len() != PUBLIC_BASE64_LENGTH {
                return Err(Fault::input(format!(
                    "{place} has white space around its key, which the server refuses"
                ))
                .hint("write the 43 characters without a newline, for example with `printf %s`"));
            }
            return Ok(Self(vec![key]));
        }
        let blocks = pem::blocks(text, place)?;
        if !text.starts_with(pem::BEGIN) {
            return Err(Fault::input(format!(
                "{place} has text before its first key, which the server refuses"
            ))
            .hint(format!("delete the text before `{}PUBLIC KEY-----`", pem::BEGIN)));
        }
        let keys = blocks.iter().map(|block| PublicKey::from_block(block, place));
        let keys: Vec<PublicKey> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(Fault::input(format!("{place} contains no key")));
        }
        Ok(Self(keys))
    }

    /// Concatenated SPKI PEM blocks, as in the key file of a server.
    pub fn to_pem(&self) -> String {
        self.0.iter().map(PublicKey::to_pem).collect()
    }

    /// Whether `key` is one of the set.
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.0.contains(key)
    }
}

fn ed25519() -> ed25519_dalek::pkcs8::ObjectIdentifier {
    ed25519_dalek::pkcs8::ALGORITHM_OID
}

fn from_base64(text: &str) -> Option<PublicKey> {
    if text.len() != PUBLIC_BASE64_LENGTH {
        return None;
    }
    let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    usable(&bytes)
}

/// A point of small order is not a usable key: it verifies signatures that no key has made.
fn usable(bytes: &[u8; 32]) -> Option<PublicKey> {
    VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak()).map(PublicKey)
}

fn with_public_hint(fault: Fault) -> Fault {
    if fault.hint_text().is_some() {
        return fault;
    }
    fault.hint(
        "an Ed25519 public key is needed: run `openssl pkey -in KEY -pubout` for that of a \
         private key, or `demo setup --force` for a new pair",
    )
}

#[cfg(test)]
mod tests;
