//! Bytes as hexadecimal text.

use std::fmt::Write;

use crate::error::{Fault, Result};

/// Two lower-case digits for each byte.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// Six random bytes as text: a name that nobody else has.
///
/// # Errors
/// Exit 1 when the system has no random bytes.
pub fn random_name() -> Result<String> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes)
        .map_err(|error| Fault::failed("the system has no random bytes").because(error))?;
    Ok(encode(&bytes))
}
