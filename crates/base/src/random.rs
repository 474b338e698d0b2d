//! Random bytes of the operating system.

use crate::error::Error;
use crate::hex;

/// Fills `bytes` with random bytes that are fit for keys.
///
/// # Errors
/// [`Error::NoRandomBytes`].
pub fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    Ok(getrandom::fill(bytes)?)
}

/// Six random bytes as hexadecimal text, for a name that is not in use elsewhere.
///
/// # Errors
/// [`Error::NoRandomBytes`].
pub fn name() -> Result<String, Error> {
    let mut bytes = [0; 6];
    fill(&mut bytes)?;
    Ok(hex::encode(&bytes))
}
