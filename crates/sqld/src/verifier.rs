//! A key that verifies signatures, for everything that reads a token: the gate, the mint and `token
//! inspect`. A key has exactly one algorithm, whatever the header of a token says.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use ed25519_dalek::VerifyingKey;

/// The accepted sizes of an RSA modulus, in bits (RFC 7518, section 3.3); the upper bound limits
/// the cost of verifying a signature.
const MODULUS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The longest public exponent, in bytes.
const LONGEST_EXPONENT: usize = 8;
/// The length of a coordinate on P-256, in bytes.
const COORDINATE: usize = 32;

/// The signature algorithms, by the name in the header of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    EdDsa,
    Es256,
    Rs256,
    Hs256,
}

impl Algorithm {
    /// The value of `alg` (RFC 7518, RFC 8037).
    pub fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }
}

/// A key, parsed once.
pub struct Verifier {
    algorithm: Algorithm,
    key: Key,
}

enum Key {
    Public(ParsedPublicKey),
    // Boxed, because it is twenty times as large as the other variant.
    Shared(Box<hmac::Key>),
}

impl Verifier {
    /// Ed25519, from its 32 bytes. `None` for bytes that are not a point of the curve, and for a
    /// point of small order, which verifies signatures that no key has made.
    pub fn ed25519(key: &[u8]) -> Option<Self> {
        let point = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
        if point.is_weak() {
            return None;
        }
        Self::public(Algorithm::EdDsa, ParsedPublicKey::new(&ED25519, key).ok())
    }

    /// P-256 with SHA-256, from the coordinates of a point, each of 32 bytes.
    /// `None` when it is not on the curve.
    pub fn es256(x: &[u8], y: &[u8]) -> Option<Self> {
        if x.len() != COORDINATE || y.len() != COORDINATE {
            return None;
        }
        let point = [&[4], x, y].concat();
        Self::public(Algorithm::Es256, ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok())
    }

    /// RSA with PKCS #1 v1.5 and SHA-256, from modulus and exponent without leading zeros. `None`
    /// for a modulus under 2,048 or over 8,192 bits, and for an exponent that is even or 1.
    pub fn rs256(n: &[u8], e: &[u8]) -> Option<Self> {
        let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
        let (first, last) = (*e.first()?, *e.last()?);
        let exponent = first != 0 && last % 2 == 1 && e != [1] && e.len() <= LONGEST_EXPONENT;
        if n.first() == Some(&0) || n.last()? % 2 == 0 || !MODULUS.contains(&bits) || !exponent {
            return None;
        }
        let key = RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256);
        Self::public(Algorithm::Rs256, key.ok())
    }

    /// HMAC with SHA-256. The caller must check that the secret is long enough.
    pub fn hs256(secret: &[u8]) -> Self {
        let key = Key::Shared(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)));
        Self { algorithm: Algorithm::Hs256, key }
    }

    fn public(algorithm: Algorithm, key: Option<ParsedPublicKey>) -> Option<Self> {
        Some(Self { algorithm, key: Key::Public(key?) })
    }

    /// The algorithm that it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether this key has made `signature` over `message`. The signature has the format of a JWS:
    /// for ES256 R and S, not ASN.1.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::Public(key) => key.verify_sig(message, signature).is_ok(),
            // In constant time.
            Key::Shared(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests;
