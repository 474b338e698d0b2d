//! The claims of a token: made from a grant, and read back from any payload.

use demo_base::choice::Choice;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::namespace::NamespaceName;

/// What the namespaces of a [`Grant`] may be used for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Access {
    /// Read and write.
    #[default]
    ReadWrite,
    /// Read only.
    ReadOnly,
}

impl Choice for Access {
    const ALL: &'static [Self] = &[Self::ReadWrite, Self::ReadOnly];

    fn word(self) -> &'static str {
        match self {
            Self::ReadWrite => "rw",
            Self::ReadOnly => "ro",
        }
    }

    fn help(self) -> Option<&'static str> {
        Some(match self {
            Self::ReadWrite => "Read and write",
            Self::ReadOnly => "Read only",
        })
    }
}

/// The claims that the server's decision depends on.
const DECIDING: [&str; 8] = ["a", "id", "p", "exp", "nbf", "sub", "iss", "jti"];

/// What a token is to allow, and for how long.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grant {
    /// Applies to `namespaces`, or to every namespace if no list names any.
    pub access: Access,
    pub namespaces: Vec<NamespaceName>,
    /// Namespaces that may be read, whatever `access` says.
    pub read_namespaces: Vec<NamespaceName>,
    /// Namespaces that may be read and attached, whatever `access` says.
    pub attach_namespaces: Vec<NamespaceName>,
    /// `None` means that it never expires.
    pub lifetime: Option<Duration>,
    /// Whom the token is for.
    pub subject: Option<String>,
    /// Included, although the server does not check it.
    pub not_before: Option<Timestamp>,
}

impl Grant {
    /// Permits reading and writing every namespace for `lifetime`.
    pub fn full(lifetime: Duration) -> Self {
        Self { lifetime: Some(lifetime), ..Self::default() }
    }

    /// The claims of a token that is made at `now`.
    pub fn claims(&self, now: Timestamp) -> Claims {
        let covering = |lists: &[&[NamespaceName]]| {
            let mut names: Vec<String> = Vec::new();
            for name in lists.iter().copied().flatten().map(NamespaceName::as_str) {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
            (!names.is_empty()).then(|| Scopes { namespaces: Some(names), ..Scopes::default() })
        };
        let (read_write, read_only) = match self.access {
            Access::ReadWrite => {
                (covering(&[&self.namespaces]), covering(&[&self.read_namespaces]))
            }
            Access::ReadOnly => (None, covering(&[&self.namespaces, &self.read_namespaces])),
        };
        let permissions = Permissions {
            read_write,
            read_only,
            read_attach: covering(&[&self.attach_namespaces]),
            ..Permissions::default()
        };
        let scoped = permissions != Permissions::default();
        let issued = now.as_second();
        // Rounded up, so that a token never expires earlier than requested.
        let seconds = |lifetime: Duration| {
            let whole = lifetime.as_secs().saturating_add(u64::from(lifetime.subsec_nanos() > 0));
            i64::try_from(whole).unwrap_or(i64::MAX)
        };
        Claims {
            a: (!scoped).then_some(match self.access {
                Access::ReadWrite => Permission::Rw,
                Access::ReadOnly => Permission::Ro,
            }),
            id: None,
            p: scoped.then_some(permissions),
            iat: Some(issued),
            exp: self.lifetime.map(|lifetime| issued.saturating_add(seconds(lifetime))),
            nbf: self.not_before.map(Timestamp::as_second),
            sub: self.subject.clone(),
            ..Claims::default()
        }
    }
}

/// The values of the `a` claim that the server accepts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    Rw,
    Ro,
    /// Read and attach.
    Roa,
}

/// The `p` claim.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Permissions {
    #[serde(rename = "rw", skip_serializing_if = "Option::is_none")]
    pub read_write: Option<Scopes>,
    #[serde(rename = "ro", skip_serializing_if = "Option::is_none")]
    pub read_only: Option<Scopes>,
    #[serde(rename = "roa", skip_serializing_if = "Option::is_none")]
    pub read_attach: Option<Scopes>,
    #[serde(rename = "rwa", skip_serializing_if = "Option::is_none")]
    pub write_attach: Option<Scopes>,
    /// Changes to the schema of a child of a shared schema.
    #[serde(rename = "ddl", skip_serializing_if = "Option::is_none")]
    pub schema: Option<Scopes>,
    /// Members that the server ignores.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// What one entry of the `p` claim covers.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Scopes {
    #[serde(rename = "ns", skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// Every namespace of a server whose group has one of these names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Members that the server ignores.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// The payload of a token. The fields are named like the claims; times are in seconds since 1970.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Claims {
    /// What is permitted when there is no `p`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a: Option<Permission>,
    /// The only namespace when there is no `p`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is permitted on which namespaces; overrides `a` and `id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<Permissions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// All other claims, and known claims of the wrong type (`"exp": "soon"`), so that an invalid
    /// token can still be displayed.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl Claims {
    /// Distributes the members of a payload to the fields.
    pub fn from_map(mut members: Map<String, Value>) -> Self {
        Self {
            a: take(&mut members, "a"),
            id: take(&mut members, "id"),
            p: take(&mut members, "p"),
            iat: take(&mut members, "iat"),
            exp: take(&mut members, "exp"),
            nbf: take(&mut members, "nbf"),
            sub: take(&mut members, "sub"),
            iss: take(&mut members, "iss"),
            jti: take(&mut members, "jti"),
            others: members,
        }
    }

    /// Like [`Claims::from_map`], but `None` when a deciding claim has the wrong type, which the
    /// server treats as an error too.
    pub fn strict(members: Map<String, Value>) -> Option<Self> {
        let claims = Self::from_map(members);
        let odd = DECIDING.iter().any(|name| claims.others.contains_key(*name));
        (!odd).then_some(claims)
    }

    /// Whether the claim `aud` is present, whatever its type.
    pub fn has_audience(&self) -> bool {
        self.others.get("aud").is_some_and(|audience| !audience.is_null())
    }
}

/// The member `name` if it has the right type; `null` counts as absent, as it does for the server.
fn take<T: DeserializeOwned>(members: &mut Map<String, Value>, name: &str) -> Option<T> {
    let value: Option<T> = T::deserialize(members.get(name)?).ok();
    if value.is_some() || members.get(name).is_some_and(Value::is_null) {
        members.shift_remove(name);
    }
    value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(list: &[&str]) -> Vec<NamespaceName> {
        list.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_grant_becomes_the_claims_that_the_server_reads() {
        use Access::{ReadOnly, ReadWrite};
        let now = Timestamp::from_second(1_000).unwrap();
        let (none, shop, both): (&[&str], &[&str], &[&str]) = (&[], &["shop"], &["shop", "log"]);
        for (access, namespaces, read, attach, expected) in [
            (ReadWrite, none, none, none, json!({"a": "rw"})),
            (ReadOnly, none, none, none, json!({"a": "ro"})),
            (ReadWrite, shop, none, none, json!({"p": {"rw": {"ns": ["shop"]}}})),
            (ReadOnly, shop, none, none, json!({"p": {"ro": {"ns": ["shop"]}}})),
            (ReadOnly, shop, both, none, json!({"p": {"ro": {"ns": ["shop", "log"]}}})),
            (ReadWrite, none, shop, none, json!({"p": {"ro": {"ns": ["shop"]}}})),
            (ReadWrite, none, none, both, json!({"p": {"roa": {"ns": ["shop", "log"]}}})),
            (
                ReadWrite,
                shop,
                &["a"],
                &["b"],
                json!({"p": {"rw": {"ns": ["shop"]}, "ro": {"ns": ["a"]}, "roa": {"ns": ["b"]}}}),
            ),
        ] {
            let grant = Grant {
                access,
                namespaces: names(namespaces),
                read_namespaces: names(read),
                attach_namespaces: names(attach),
                ..Grant::full(Duration::from_mins(1))
            };
            let mut expected = expected;
            expected["iat"] = json!(1_000);
            expected["exp"] = json!(1_060);
            assert_eq!(serde_json::to_value(grant.claims(now)).unwrap(), expected);
        }
    }

    #[test]
    fn the_plain_token_has_three_claims_in_a_fixed_order() {
        let now = Timestamp::from_second(5).unwrap();
        let text = serde_json::to_string(&Grant::full(Duration::from_millis(1)).claims(now));
        assert_eq!(text.unwrap(), r#"{"a":"rw","iat":5,"exp":6}"#);
    }

    #[test]
    fn for_ever_and_beyond() {
        let now = Timestamp::from_second(5).unwrap();
        assert_eq!(Grant::default().claims(now).exp, None);
        assert_eq!(Grant::full(Duration::MAX).claims(now).exp, Some(i64::MAX));
    }

    #[test]
    fn odd_claims_are_kept_where_they_can_be_shown() {
        let payload = json!({"a": "admin", "exp": "soon", "iat": 7, "p": null, "x": [1]});
        let claims = Claims::from_map(payload.as_object().unwrap().clone());
        assert_eq!((claims.a, claims.exp, claims.iat, claims.p), (None, None, Some(7), None));
        assert_eq!(Value::Object(claims.others), json!({"a": "admin", "exp": "soon", "x": [1]}));
    }

    #[test]
    fn a_permission_claim_comes_back_whole() {
        let payload = json!({"p": {"rw": {"ns": ["a"], "y": 1}, "ddl": {"tags": ["t"]}, "z": 2}});
        let claims = Claims::from_map(payload.as_object().unwrap().clone());
        assert!(claims.p.is_some());
        assert_eq!(serde_json::to_value(claims).unwrap(), payload);
    }
}
