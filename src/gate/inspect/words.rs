//! Words of SQL that reach beyond a database: the server's files, other
//! databases' pages, statements made at run time.
//!
//! The whole text is looked at, comments and literals included: a text that is
//! quoted can still become a name (the `content=` of a full-text table). What is
//! sent as an argument is never SQL.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

/// Of `pragma_function_list` and `pragma_module_list` of sqld 0.24.32.
///
/// - `readfile`, `writefile`, `fsdir`, `lsmode`: the file system.
/// - `load_extension`, `fts3_tokenizer`, `carray`: code and memory.
/// - `sha3_query`: runs the SQL that it is given, which nobody has looked at.
/// - `sqlite_dbpage`, `writable_schema`: change the schema past its parser, and
///   with it put the other words where nobody looks.
/// - `sqlite3mc_*`: the encryption of the whole server.
const WORDS: [&str; 12] = [
    "readfile",
    "writefile",
    "fsdir",
    "lsmode",
    "load_extension",
    "fts3_tokenizer",
    "carray",
    "sha3_query",
    "sqlite_dbpage",
    "writable_schema",
    "sqlite3mc_config",
    "sqlite3mc_config_table",
];

static FINDER: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasickBuilder::new().ascii_case_insensitive(true).build(WORDS).ok());

/// Whether one of the words may be in `bytes`, in any case and as part of any
/// longer word: a quick look that is never wrong when it says no.
pub fn possible(bytes: &[u8]) -> bool {
    FINDER.as_ref().is_none_or(|finder| finder.is_match(bytes))
}

/// The first of the words in `text` that stands there as a word.
pub fn find(text: &[u8]) -> Option<&'static str> {
    if !possible(text) {
        return None;
    }
    let mut of_text = text.split(|byte| !in_word(byte));
    of_text.find_map(|word| {
        WORDS.into_iter().find(|known| word.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// What the database takes for a part of a name.
fn in_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}
