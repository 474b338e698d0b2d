//! What the fuzz targets call that belongs to no service. Built with `--cfg fuzzing` alone.

use std::collections::BTreeMap;
use std::path::PathBuf;

use demo_compose::{self, SourceFile, Sources};
use demo_sqld::keys::{KeySet, PublicKey, SigningKey};

/// One compose file, or two with a line `---8<---` between them.
pub fn compose(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let files = text.split("---8<---\n").enumerate().map(|(number, text)| SourceFile {
        path: PathBuf::from(format!("/project/{number}.yml")),
        text: text.to_owned(),
    });
    let sources = Sources {
        files: files.collect(),
        project_dir: PathBuf::from("/project"),
        environment: BTreeMap::from([("SET".to_owned(), "value".to_owned())]),
        project_name: None,
    };
    let _ = compose::load(&sources);
}

/// Files with keys: PEM of either kind, several public ones, what OpenSSH writes.
pub fn keys(data: &[u8]) {
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
}
