//! Options whose value is one of a few words.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use demo_base::choice::Choice;

/// Parses the word of a [`Choice`], and lists the words in the help.
pub fn choice<T: Choice>() -> impl TypedValueParser<Value = T> {
    let value = |choice: &T| {
        let value = PossibleValue::new(choice.word());
        match choice.help() {
            Some(help) => value.help(help),
            None => value,
        }
    };
    PossibleValuesParser::new(T::ALL.iter().map(value))
        .try_map(|word| T::parse(&word).ok_or_else(T::words))
}

/// A report and the file it is written to.
#[derive(Clone, Debug)]
pub struct ReportTarget<F> {
    pub format: F,
    pub path: PathBuf,
}

impl<F: Choice> FromStr for ReportTarget<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "write FORMAT=PATH, such as junit=report.xml";
        let (format, path) = text.split_once('=').ok_or(wanted)?;
        if path.is_empty() {
            return Err(wanted.to_owned());
        }
        let unknown = || format!("`{format}` is not a report format; use {}", F::words());
        Ok(Self { format: F::parse(format).ok_or_else(unknown)?, path: path.into() })
    }
}
