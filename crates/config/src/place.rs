//! The position of a value in a configuration file, for messages.

use std::fmt;

use demo_base::error::Fault;

const UNKNOWN_HINT: &str =
    "remove it, or run these files with `docker compose`, since demo refuses what it cannot do";

/// A file and the keys that lead to a value in it.
#[derive(Clone, Debug)]
pub struct Place {
    file: String,
    path: Vec<String>,
}

impl Place {
    pub fn of_file(name: &str) -> Self {
        Self { file: name.to_owned(), path: Vec::new() }
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
    pub fn fault(&self, says: impl fmt::Display) -> Fault {
        Fault::input(format!("{self}: {says}"))
    }

    /// The mapping at this position has an unsupported key.
    pub fn unknown(&self, key: &str) -> Fault {
        let (owner, inner) = self.owner();
        let key = [inner.as_slice(), &[key.to_owned()]].concat().join(".");
        Fault::input(format!("{owner} has the key `{key}`, which demo does not honour"))
            .hint(UNKNOWN_HINT)
    }

    /// The file or the service, and the keys inside it.
    fn owner(&self) -> (String, Vec<String>) {
        match self.path.as_slice() {
            [section, service, rest @ ..] if section == "services" => {
                (format!("{}: service `{service}`", self.file), rest.to_vec())
            }
            path => (self.file.clone(), path.to_vec()),
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
        assert_eq!(file.fault("bad").to_string(), "a.yml: bad");
        assert_eq!(file.key("name").fault("bad").to_string(), "a.yml: `name`: bad");
        let service = file.key("services").key("s");
        assert_eq!(service.fault("bad").to_string(), "a.yml: service `s`: bad");
        assert_eq!(
            service.key("ports").item(1).key("target").fault("bad").to_string(),
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
