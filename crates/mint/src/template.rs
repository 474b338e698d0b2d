//! Templates for the namespace of a user, and for the address of a namespace.

use reqwest::Url;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use demo_base::hex;
use demo_sqld::namespace::NamespaceName;

/// Hexadecimal digits of `{subHash}`: 160 bits, so that no two users get the same name.
const HASH_DIGITS: usize = 40;
/// The server's namespace for requests that name none, which no user may have.
const SHARED: &str = "default";

/// A template for the name of a user's namespace, such as `db-{sub}`.
///
/// `{sub}` is the unchanged subject: if it were changed to make it fit, two users could
/// share a namespace. `{subHash}` is 40 digits of its SHA-256, for issuers whose subjects
/// are not valid in names (`auth0|…`).
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct NamespaceTemplate(String);

impl Default for NamespaceTemplate {
    fn default() -> Self {
        Self("db-{sub}".to_owned())
    }
}

impl NamespaceTemplate {
    /// Whether a user's subject is the whole name, so that it could be that of another
    /// namespace. Users cannot choose a hash, so `{subHash}` is not bare.
    pub fn is_bare(&self) -> bool {
        self.0 == "{sub}"
    }

    /// The namespace of a user; `None` when the subject gives no valid name.
    pub fn of(&self, subject: &str) -> Option<NamespaceName> {
        let name = if self.0.contains("{subHash}") {
            let digest = hex::encode(&Sha256::digest(subject.as_bytes()));
            self.0.replace("{subHash}", digest.get(..HASH_DIGITS)?)
        } else {
            self.0.replace("{sub}", subject)
        };
        name.parse().ok().filter(|name: &NamespaceName| name.as_str() != SHARED)
    }
}

impl TryFrom<String> for NamespaceTemplate {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.matches("{sub}").count() + text.matches("{subHash}").count() != 1 {
            return Err(
                "it must contain either {sub} or {subHash}, exactly once: otherwise users \
                        would share a namespace",
            );
        }
        let template = Self(text);
        match template.of("0") {
            Some(_) => Ok(template),
            None => Err("a name may contain only a-z, 0-9, - and _, must begin with a letter or \
                         a digit, and has at most 63 characters"),
        }
    }
}

/// The address of a namespace for clients, such as `http://{namespace}.localhost:18090`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The address of one namespace.
    pub fn of(&self, namespace: &NamespaceName) -> String {
        self.0.replace("{namespace}", namespace.as_str())
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let sample = text.replace("{namespace}", "db-0");
        let schemes = ["http", "https", "libsql", "ws", "wss"];
        match Url::parse(&sample) {
            Ok(url) if schemes.contains(&url.scheme()) && url.has_host() => Ok(Self(text)),
            _ => Err("it must be an address such as https://{namespace}.db.example.com"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Result<NamespaceTemplate, &'static str> {
        text.to_owned().try_into()
    }

    #[test]
    fn a_subject_is_used_unchanged_or_refused() {
        let plain = NamespaceTemplate::default();
        assert_eq!(plain.of("alice").unwrap().as_str(), "db-alice");
        for subject in ["", "Alice", "../etc", "a.b", "a b", "a\0", "auth0|1", &"x".repeat(61)] {
            // The caller has already refused an empty subject.
            assert_eq!(plain.of(subject).is_none(), !subject.is_empty(), "{subject:?}");
        }
        assert!(template("{sub}").unwrap().of("default").is_none());
    }

    #[test]
    fn a_hash_fits_every_subject_and_tells_them_apart() {
        let hashed = template("t-{subHash}").unwrap();
        let (one, other) = (hashed.of("auth0|A").unwrap(), hashed.of("auth0|a").unwrap());
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), 42);
    }

    #[test]
    fn a_template_without_the_user_is_refused() {
        for text in ["", "shared", "{sub}-{sub}", "{sub}{subHash}", "-{sub}", "A{sub}", "{user}"] {
            assert!(template(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_database_has_an_address() {
        let url = DatabaseUrl::try_from("https://{namespace}.db.example.com".to_owned()).unwrap();
        assert_eq!(url.of(&"db-0".parse().unwrap()), "https://db-0.db.example.com");
        assert!(DatabaseUrl::try_from("{namespace}".to_owned()).is_err());
    }
}
