#![no_main]

use demo_sqld::keys::{KeySet, PublicKey, SigningKey};

// Files with keys: PEM of either kind, several public ones, what OpenSSH writes.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = SigningKey::from_pem(text, "fuzzing") {
        let public = key.public().to_pem();
        assert!(PublicKey::from_pem(&public, "fuzzing").is_ok());
    }
    let _ = PublicKey::from_pem(text, "fuzzing");
    if let Ok(keys) = KeySet::parse(text, "fuzzing") {
        let again = KeySet::parse(&keys.to_pem(), "fuzzing");
        assert!(again.is_ok_and(|again| again.0.len() == keys.0.len()));
    }
});
