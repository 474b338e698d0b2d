//! PEM blocks, and a readable description of their content.
//!
//! The key parsers only say "ASN.1 error"; a user who has put the wrong file in place needs to know
//! what the file contains.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::{ObjectIdentifier, PrivateKeyInfoRef, spki};
use zeroize::Zeroizing;

use crate::Error;

/// The beginning of every block.
pub const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";
/// Columns of the base64 lines, as OpenSSL writes them.
const COLUMNS: usize = 64;

/// The content from `-----BEGIN X-----` to `-----END X-----`.
pub struct Block<'a> {
    pub label: &'a str,
    body: &'a str,
}

impl Block<'_> {
    /// The bytes; `None` when the body is not base64.
    pub fn der(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut compact = Zeroizing::new(String::with_capacity(self.body.len()));
        compact.extend(self.body.chars().filter(|character| !character.is_ascii_whitespace()));
        STANDARD.decode(compact.as_bytes()).ok().map(Zeroizing::new)
    }

    /// The content of the block with its article: "an RSA private key".
    pub fn describe(&self) -> String {
        let der = self.der().unwrap_or_default();
        let algorithm = match self.label {
            "PRIVATE KEY" => {
                PrivateKeyInfoRef::try_from(der.as_slice()).ok().map(|key| key.algorithm.oid)
            }
            "PUBLIC KEY" => spki::SubjectPublicKeyInfoRef::try_from(der.as_slice())
                .ok()
                .map(|key| key.algorithm.oid),
            _ => None,
        };
        let named = algorithm.map(algorithm_name);
        match (self.label, named) {
            ("PRIVATE KEY", Some(name)) => format!("{name} private key"),
            ("PRIVATE KEY", None) => "a damaged private key".to_owned(),
            ("PUBLIC KEY", Some(name)) => format!("{name} public key"),
            ("PUBLIC KEY", None) => "a damaged public key".to_owned(),
            ("ENCRYPTED PRIVATE KEY", _) => "an encrypted private key".to_owned(),
            ("OPENSSH PRIVATE KEY", _) => "a private key in OpenSSH format".to_owned(),
            ("CERTIFICATE" | "TRUSTED CERTIFICATE", _) => "a certificate".to_owned(),
            ("CERTIFICATE REQUEST", _) => "a certificate request".to_owned(),
            // The older formats name the algorithm in the label and indicate encryption in a
            // header.
            (label, _) => match label.split_once(' ') {
                Some((name @ ("RSA" | "EC" | "DSA"), kind @ ("PRIVATE KEY" | "PUBLIC KEY"))) => {
                    let article = if name == "DSA" { "a" } else { "an" };
                    let article = if self.is_encrypted() { "an encrypted" } else { article };
                    format!("{article} {name} {}", kind.to_ascii_lowercase())
                }
                _ => format!("a PEM block `{}`", label.escape_debug()),
            },
        }
    }

    /// Whether it is protected by a passphrase.
    pub fn is_encrypted(&self) -> bool {
        self.label == "ENCRYPTED PRIVATE KEY" || self.body.contains("ENCRYPTED")
    }

    /// Whether it is a private key in any format.
    pub fn is_private(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }
}

/// Why a text has no whole blocks; the end of a sentence.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoBlocks {
    /// It has only white space.
    #[error("is empty")]
    Empty,
    /// It ends inside a block.
    #[error("is damaged: a PEM block in it has no end")]
    Endless,
    /// It has something else.
    #[error("is not a PEM file: it has no line `{BEGIN}...{DASHES}`")]
    Missing,
}

/// The blocks of `text`, which is from `place`, in order and without the text between them.
///
/// # Errors
/// [`Error::Pem`] when there is none, or when `text` ends inside one.
pub fn blocks<'a>(text: &'a str, place: &str) -> Result<Vec<Block<'a>>, Error> {
    split(text).map_err(|why| Error::Pem { place: place.to_owned(), why })
}

/// As [`blocks`], for a caller that knows what the text should be.
pub(crate) fn split(text: &str) -> Result<Vec<Block<'_>>, NoBlocks> {
    if text.trim().is_empty() {
        return Err(NoBlocks::Empty);
    }
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        let after = &rest[start + BEGIN.len()..];
        let (label, after) = after.split_once(DASHES).ok_or(NoBlocks::Endless)?;
        let end = format!("-----END {label}-----");
        let (body, after) = after.split_once(end.as_str()).ok_or(NoBlocks::Endless)?;
        // This block names the curve of the key that follows it.
        if label != "EC PARAMETERS" {
            found.push(Block { label, body });
        }
        rest = after;
    }
    if found.is_empty() {
        return Err(NoBlocks::Missing);
    }
    Ok(found)
}

/// Encodes `der` as a block, as OpenSSL writes it.
pub fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(body.len() + 128));
    for part in [BEGIN, label, DASHES, "\n"] {
        text.push_str(part);
    }
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(COLUMNS));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    for part in ["-----END ", label, DASHES, "\n"] {
        text.push_str(part);
    }
    text
}

fn algorithm_name(oid: ObjectIdentifier) -> &'static str {
    match oid.to_string().as_str() {
        "1.3.101.112" => "an Ed25519",
        "1.3.101.113" => "an Ed448",
        "1.3.101.110" => "an X25519",
        "1.3.101.111" => "an X448",
        "1.2.840.113549.1.1.1" => "an RSA",
        "1.2.840.113549.1.1.10" => "an RSA-PSS",
        "1.2.840.10045.2.1" => "an EC",
        "1.2.840.10040.4.1" => "a DSA",
        _ => "an unknown kind of",
    }
}
