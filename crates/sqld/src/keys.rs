//! Ed25519 keys: the private one that signs tokens, the public ones that servers trust.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::{KeypairBytes, PrivateKeyInfoRef, PublicKeyBytes, spki};
use ed25519_dalek::{SECRET_KEY_LENGTH, VerifyingKey};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyAlgorithm,
    OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse,
};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::Error;
use crate::pem::{self, Block, NoBlocks};

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
    /// [`demo_base::Error::NoRandomBytes`] when the system provides none.
    pub fn generate() -> Result<Self, demo_base::Error> {
        let mut seed = Zeroizing::new([0u8; SECRET_KEY_LENGTH]);
        demo_base::random::fill(seed.as_mut_slice())?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// Reads a PKCS#8 PEM, with or without the public key in it; `place` is its origin, for
    /// messages.
    ///
    /// # Errors
    /// [`Error::PrivateKey`], naming what the text contains instead, or [`Error::Passphrase`].
    pub fn from_pem(text: &str, place: &str) -> Result<Self, Error> {
        let not = |says: String| Error::PrivateKey { place: place.to_owned(), says };
        let blocks = pem::split(text).map_err(|why| not(why.to_string()))?;
        let Some(block) = blocks.iter().find(|block| block.is_private()).or(blocks.first()) else {
            return Err(not(NoBlocks::Empty.to_string()));
        };
        if block.is_encrypted() {
            return Err(Error::Passphrase { place: place.to_owned(), found: block.describe() });
        }
        if !block.is_private() {
            return Err(not(format!("contains {}, not a private key", block.describe())));
        }
        let other = || not(of_other_kind(block));
        if block.label != "PRIVATE KEY" {
            return Err(other());
        }
        let damaged = || not("contains a damaged private key".to_owned());
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
    /// [`Error::PublicKey`], naming what the text contains instead of a single Ed25519 public key.
    pub fn from_pem(text: &str, place: &str) -> Result<Self, Error> {
        match public_blocks(text, place)?.as_slice() {
            [block] => Self::from_block(block, place),
            several => Err(not_public(place, format!("contains {} keys, not one", several.len()))),
        }
    }

    fn from_block(block: &Block<'_>, place: &str) -> Result<Self, Error> {
        if block.label != "PUBLIC KEY" {
            let says = format!("contains {}, not a public key", block.describe());
            return Err(not_public(place, says));
        }
        let damaged = || not_public(place, "contains a damaged public key".to_owned());
        let der = block.der().ok_or_else(damaged)?;
        let info =
            spki::SubjectPublicKeyInfoRef::try_from(der.as_slice()).map_err(|_| damaged())?;
        if info.algorithm.oid != ed25519() {
            return Err(not_public(place, of_other_kind(block)));
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
    /// in base64url. The computation in `jsonwebtoken` can fail, for keys of other types; this one
    /// cannot, and a test compares the two.
    pub fn thumbprint(&self) -> String {
        let coordinate = URL_SAFE_NO_PAD.encode(self.as_bytes());
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{coordinate}"}}"#);
        URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
    }

    /// The key as an entry of a JWKS document (RFC 8037), with its thumbprint as its id.
    pub fn jwk(&self) -> Jwk {
        Jwk {
            common: CommonParameters {
                public_key_use: Some(PublicKeyUse::Signature),
                key_algorithm: Some(KeyAlgorithm::EdDSA),
                key_id: Some(self.thumbprint()),
                ..CommonParameters::default()
            },
            algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: URL_SAFE_NO_PAD.encode(self.as_bytes()),
            }),
        }
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
    /// [`Error::PublicKey`], [`Error::WhiteSpace`] or [`Error::TextBefore`], naming what the server
    /// would reject.
    pub fn parse(text: &str, place: &str) -> Result<Self, Error> {
        if let Some(key) = from_base64(text.trim()) {
            if text.len() != PUBLIC_BASE64_LENGTH {
                return Err(Error::WhiteSpace { place: place.to_owned() });
            }
            return Ok(Self(vec![key]));
        }
        let blocks = public_blocks(text, place)?;
        if !text.starts_with(pem::BEGIN) {
            return Err(Error::TextBefore { place: place.to_owned() });
        }
        let keys = blocks.iter().map(|block| PublicKey::from_block(block, place));
        Ok(Self(keys.collect::<Result<_, _>>()?))
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

/// The blocks of a text that should have only public keys.
fn public_blocks<'a>(text: &'a str, place: &str) -> Result<Vec<Block<'a>>, Error> {
    pem::split(text).map_err(|why| not_public(place, why.to_string()))
}

fn not_public(place: &str, says: String) -> Error {
    Error::PublicKey { place: place.to_owned(), says }
}

fn of_other_kind(block: &Block<'_>) -> String {
    format!("contains {}; the server accepts only Ed25519", block.describe())
}

#[cfg(test)]
mod tests;
