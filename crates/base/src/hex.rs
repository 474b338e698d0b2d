//! Bytes as hexadecimal text.

use std::fmt::Write;

use crate::error::{Fault, Result};

/// Encodes each byte as two lower-case digits.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// Six random bytes as text, for a name that is not in use elsewhere.
///
/// # Errors
/// Exit 1 when the system provides no random bytes.
pub fn random_name() -> Result<String> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes)
        .map_err(|error| Fault::failed("the system provides no random bytes").because(error))?;
    Ok(encode(&bytes))
}
