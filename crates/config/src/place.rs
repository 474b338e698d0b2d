//! The position of a value in a configuration file, for messages.

use std::fmt;

use crate::Error;

/// A file, the line if it is known, and the keys that lead to a value.
#[derive(Clone, Debug)]
pub struct Place {
    file: String,
    line: Option<usize>,
    path: Vec<String>,
}

impl Place {
    pub fn of_file(name: &str) -> Self {
        Self { file: name.to_owned(), line: None, path: Vec::new() }
    }

    /// A line, counted from 1, of a file without keys inside keys.
    pub fn of_line(name: &str, line: usize) -> Self {
        Self { line: Some(line), ..Self::of_file(name) }
    }

    /// The position of a key in the mapping at this position.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut place = self.clone();
        place.path.push(key.to_owned());
        place
    }

    /// The position of an item in the list at this position.
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        let mut place = self.clone();
        let last = place.path.pop().unwrap_or_default();
        place.path.push(format!("{last}[{index}]"));
        place
    }

    /// The value at this position is invalid.
    pub fn invalid(&self, says: impl Into<String>) -> Error {
        Error::Invalid { place: self.clone(), says: says.into(), help: None }
    }

    /// The value at this position is invalid, and `help` says how to write it.
    pub fn invalid_with_help(&self, says: impl Into<String>, help: impl Into<String>) -> Error {
        Error::Invalid { place: self.clone(), says: says.into(), help: Some(help.into()) }
    }

    /// The mapping at this position has an unsupported key.
    pub fn unknown(&self, key: &str) -> Error {
        Error::Unknown { place: self.clone(), key: key.to_owned() }
    }

    /// Says that the mapping at this position has a key.
    pub(crate) fn having(&self, key: &str) -> String {
        let (owner, mut inner) = self.owner();
        inner.push(key.to_owned());
        format!("{owner} has the key `{}`", inner.join("."))
    }

    /// The file or the service, and the keys inside it.
    fn owner(&self) -> (String, Vec<String>) {
        let file = match self.line {
            Some(line) => format!("{}, line {line}", self.file),
            None => self.file.clone(),
        };
        match self.path.as_slice() {
            [section, service, rest @ ..] if section == "services" => {
                (format!("{file}: service `{service}`"), rest.to_vec())
            }
            path => (file, path.to_vec()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (owner, inner) = self.owner();
        match (inner.is_empty(), self.path.len() == inner.len()) {
            (true, _) => formatter.write_str(&owner),
            (false, true) => write!(formatter, "{owner}: `{}`", inner.join(".")),
            (false, false) => write!(formatter, "{owner}, `{}`", inner.join(".")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_file_service_and_key() {
        let file = Place::of_file("a.yml");
        assert_eq!(file.invalid("bad").to_string(), "a.yml: bad");
        let line = Place::of_line("a.env", 3);
        assert_eq!(line.invalid("bad").to_string(), "a.env, line 3: bad");
        assert_eq!(file.key("name").invalid("bad").to_string(), "a.yml: `name`: bad");
        let service = file.key("services").key("s");
        assert_eq!(service.invalid("bad").to_string(), "a.yml: service `s`: bad");
        assert_eq!(
            service.key("ports").item(1).key("target").invalid("bad").to_string(),
            "a.yml: service `s`, `ports[1].target`: bad"
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_its_owner() {
        let file = Place::of_file("a.yml");
        let tail = ", which demo does not honour";
        assert_eq!(
            file.unknown("configs").to_string(),
            format!("a.yml has the key `configs`{tail}")
        );
        assert_eq!(
            file.key("services").key("s").key("healthcheck").unknown("x").to_string(),
            format!("a.yml: service `s` has the key `healthcheck.x`{tail}")
        );
    }
}
