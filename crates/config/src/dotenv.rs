//! `.env` files in the dialect of Compose, which differs from that of a shell.
//!
//! Quoted values may span lines. Single quotes keep their content unchanged; everything else is
//! interpolated, first from the environment and then from the keys above. A key without `=` takes
//! its value from the environment.

use std::collections::BTreeMap;

use crate::place::Place;
use crate::{Error, interpolate};

/// Reads the text of an env file.
///
/// # Errors
/// [`Error::Invalid`] for an invalid line; the message names `file_name` and the line, but never a
/// value.
pub fn parse(
    text: &str,
    file_name: &str,
    environment: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let mut reader =
        Reader { text: &text, offset: 0, file_name, environment, found: BTreeMap::new() };
    while reader.skip_to_statement() {
        reader.statement()?;
    }
    Ok(reader.found)
}

struct Reader<'a> {
    text: &'a str,
    offset: usize,
    file_name: &'a str,
    environment: &'a BTreeMap<String, String>,
    found: BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    /// Skips white space and comments; returns whether anything is left.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            let rest = self.rest();
            self.offset += rest.len() - rest.trim_start().len();
            if !self.rest().starts_with('#') {
                return !self.rest().is_empty();
            }
            self.offset += line_length(self.rest());
        }
    }

    fn statement(&mut self) -> Result<(), Error> {
        let start = self.offset;
        let rest = self.rest();
        let exported = rest.strip_prefix("export").filter(|after| after.starts_with(is_blank));
        let declaration = exported.unwrap_or(rest).trim_start_matches(is_blank);
        self.offset += rest.len() - declaration.len();

        // Compose also accepts `KEY: value`.
        let end = declaration.find(['=', ':', '\n']).unwrap_or(declaration.len());
        let key = declaration[..end].trim_end();
        self.check_key(key, start)?;
        self.offset += end;
        if !self.rest().starts_with(['=', ':']) {
            if let Some(value) = self.environment.get(key) {
                self.found.insert(key.to_owned(), value.clone());
            }
            return Ok(());
        }
        self.offset += 1;
        let value = self.value(key)?;
        self.found.insert(key.to_owned(), value);
        Ok(())
    }

    fn check_key(&self, key: &str, start: usize) -> Result<(), Error> {
        let of_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '[' | ']');
        if key.is_empty() {
            return Err(self.place(start).invalid("there is no name before the value"));
        }
        match key.chars().find(|&character| !of_key(character)) {
            // The line is not shown, because it may contain a secret.
            Some(other) => {
                let says = format!("the name of a variable cannot contain {other:?}");
                Err(self
                    .place(start)
                    .invalid_with_help(says, "write NAME=value, or # before a comment"))
            }
            None => Ok(()),
        }
    }

    fn value(&mut self, key: &str) -> Result<String, Error> {
        let start = self.offset;
        let written = self.rest().trim_start_matches(is_blank);
        self.offset = self.text.len() - written.len();
        if let Some(quote) = written.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            return self.quoted(key, quote);
        }
        let line = &written[..line_length(written)];
        if line.starts_with('#') && self.offset > start {
            // Compose takes this as the value, but it is usually meant as a comment.
            let says = format!("`#` starts the value of {key}");
            return Err(self
                .place(start)
                .invalid_with_help(says, "quote the value, or move the comment"));
        }
        self.offset += line.len();
        let value = line.split_once(" #").map_or(line, |(value, _)| value);
        self.interpolated(value.trim_end(), key, start)
    }

    fn quoted(&mut self, key: &str, quote: char) -> Result<String, Error> {
        let start = self.offset;
        let inside = &self.rest()[1..];
        let mut content = String::new();
        let mut characters = inside.char_indices();
        loop {
            let Some((index, character)) = characters.next() else {
                let says = format!("the quoted value of {key} has no closing quote");
                return Err(self.place(start).invalid(says));
            };
            if character == quote {
                self.offset += 1 + index + 1;
                break;
            }
            if character == '\\' {
                // A backslash protects the quote; other escapes are handled later.
                match characters.next() {
                    Some((_, escaped)) if escaped == quote => content.push(quote),
                    Some((_, other)) => content.extend(['\\', other]),
                    None => {}
                }
            } else {
                content.push(character);
            }
        }
        let tail = &self.rest()[..line_length(self.rest())];
        if !matches!(tail.trim_start().chars().next(), None | Some('#')) {
            return Err(self
                .place(start)
                .invalid(format!("text follows the quoted value of {key}")));
        }
        self.offset += tail.len();
        if quote == '\'' {
            return Ok(content);
        }
        self.interpolated(&unescape(&content), key, start)
    }

    fn interpolated(&self, value: &str, key: &str, offset: usize) -> Result<String, Error> {
        let lookup =
            |name: &str| self.environment.get(name).or_else(|| self.found.get(name)).cloned();
        interpolate::replace(value, &lookup)
            .map_err(|problem| self.place(offset).invalid(format!("the value of {key}: {problem}")))
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.text[..offset].matches('\n').count() + 1;
        Place::of_line(self.file_name, line)
    }
}

/// Whether it is white space within a line.
fn is_blank(character: char) -> bool {
    character != '\n' && character.is_whitespace()
}

fn line_length(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// Replaces the escape sequences of double quotes; unknown ones are kept.
fn unescape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        result.push_str(before);
        let mut characters = after.chars();
        let plain = match characters.next() {
            Some('n') => "\n",
            Some('r') => "\r",
            Some('t') => "\t",
            Some('a') => "\u{7}",
            Some('b') => "\u{8}",
            Some('f') => "\u{c}",
            Some('v') => "\u{b}",
            Some('"') => "\"",
            Some('\\') => "\\",
            // Doubled, because the interpolation turns `$$` into `$`.
            Some('$') => "$$",
            _ => {
                result.push('\\');
                rest = after;
                continue;
            }
        };
        result.push_str(plain);
        rest = characters.as_str();
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn environment() -> BTreeMap<String, String> {
        [("OUTER", "from outside"), ("BOTH", "outer")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn read(text: &str) -> BTreeMap<String, String> {
        parse(text, ".env", &environment()).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    #[test]
    fn every_form_of_a_value() {
        for (text, expected) in [
            ("A=plain", "plain"),
            ("A = spaced  ", "spaced"),
            ("A: yaml", "yaml"),
            ("export A=exported", "exported"),
            ("exporting=1\nA=x", "x"),
            ("A=", ""),
            ("A=   ", ""),
            ("A=one # comment", "one"),
            ("A=one#two", "one#two"),
            ("A=#fff", "#fff"),
            ("A=un\"quo\"ted", "un\"quo\"ted"),
            ("A=a=b:c", "a=b:c"),
            ("A='raw ${OUTER} \\n #'", "raw ${OUTER} \\n #"),
            ("A='it\\'s'", "it's"),
            ("A=\"two\\nlines\\t\\\"q\\\" \\\\ \\x\"", "two\nlines\t\"q\" \\ \\x"),
            ("A=\"# kept\" # comment", "# kept"),
            ("A=\"over\nlines\"", "over\nlines"),
            ("A='over\r\nlines'\r\n", "over\nlines"),
            ("A=$OUTER", "from outside"),
            ("A=\"${OUTER}\"", "from outside"),
            ("A=\"\\$OUTER $$OUTER\"", "$OUTER $OUTER"),
            ("A=${NONE:-fallback}", "fallback"),
            ("B=above\nA=${B}!", "above!"),
            ("BOTH=inner\nA=$BOTH", "outer"),
            ("A=1\nA=2", "2"),
            ("\u{feff}A=marked", "marked"),
            ("\n\n  # comment\n\tA=last", "last"),
            ("A=windows\r\nB=1\r\n", "windows"),
        ] {
            assert_eq!(read(text).get("A").map(String::as_str), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn a_bare_key_is_passed_on_from_the_environment() {
        assert_eq!(
            read("OUTER\nMISSING\nexport BOTH\nA=1\nLAST"),
            [("OUTER", "from outside"), ("BOTH", "outer"), ("A", "1")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into()
        );
    }

    #[test]
    fn bad_lines_are_named_without_their_values() {
        for (text, line) in [
            ("A=1\n=secret", 2),
            ("two words=secret", 1),
            ("A=1\n\n# c\nA?=secret", 4),
            ("A=\"secret", 1),
            ("A='secret\n\nB=1", 1),
            ("A=\"x\" secret", 1),
            ("A=\"1\n2\"\nB=${X", 3),
            ("A=${X:?}", 1),
            ("A= # secret", 1),
            ("A=secret$", 1),
            ("A=$9secret", 1),
            ("A=${B!secret}", 1),
            ("A=${B:-secret", 1),
        ] {
            let error = parse(text, ".env", &environment()).expect_err(text).to_string();
            assert!(error.starts_with(&format!(".env, line {line}: ")), "{text:?}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = parse(&text, ".env", &environment());
        }

        #[test]
        fn nothing_panics_close_to_the_grammar(text in "[A=:#'\"\\\\\n\r ${}é\u{feff}]*") {
            let _ = parse(&text, ".env", &environment());
        }

        #[test]
        fn single_quotes_keep_everything(value in "[^'\\\\\r]*") {
            let found = read(&format!("A='{value}'"));
            prop_assert_eq!(found.get("A"), Some(&value));
        }
    }
}
