#![no_main]

use std::collections::BTreeMap;
use std::path::PathBuf;

use demo_compose::{SourceFile, Sources};

// One compose file, or two with a line `---8<---` between them.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
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
    let _ = demo_compose::load(&sources);
});
