//! Maps claims of the login to rights beyond the user's own namespace.
//!
//! Only claims that the auth server sets may grant rights. Supabase lets users write their
//! own `user_metadata`, so a mapping from there is refused.

use serde::Deserialize;
use serde_json::{Map, Value};

use demo_sqld::claims::Access;
use demo_sqld::namespace::NamespaceName;

/// How many namespaces one login may name in one claim.
const MOST_NAMESPACES: usize = 32;
/// Claims that users write themselves, as named in the token and in the auth server.
const USER_WRITTEN: [&str; 2] = ["user_metadata", "raw_user_meta_data"];

/// `token.claims` of `mint.yaml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClaimMapping {
    /// The token is read-only if one of these rules holds.
    read_only_when: Vec<Rule>,
    /// Additional namespaces, with the same right as the user's own.
    namespaces: Option<ClaimPath>,
    /// Additional namespaces, read-only.
    read_namespaces: Option<ClaimPath>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    claim: ClaimPath,
    equals: Value,
}

/// Names of nested claims separated by dots, or a JSON Pointer (RFC 6901) for
/// names that contain a dot: `app_metadata.plan`, `/https:~1~1a.example~1plan`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct ClaimPath(String);

impl ClaimPath {
    fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = match self.0[1..].split_once('/') {
            Some((first, _)) => (first, &self.0[1 + first.len()..]),
            None => (&self.0[1..], ""),
        };
        claims.get(&unescaped(first))?.pointer(rest)
    }
}

fn unescaped(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

impl TryFrom<String> for ClaimPath {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let pointer = if text.starts_with('/') {
            text
        } else {
            format!("/{}", text.replace('~', "~0").replace('/', "~1").replace('.', "/"))
        };
        let mut names = pointer[1..].split('/');
        if names.clone().any(str::is_empty) {
            return Err("it must be names of claims separated by dots, or a JSON Pointer");
        }
        if names.next().is_some_and(|first| USER_WRITTEN.contains(&unescaped(first).as_str())) {
            return Err(
                "users can change their `user_metadata`, so it must not grant rights: use \
                        `app_metadata`, which only the auth server sets",
            );
        }
        Ok(Self(pointer))
    }
}

/// What the claims of a login grant beyond the user's own namespace.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Extras {
    pub access: Access,
    pub namespaces: Vec<NamespaceName>,
    pub read_namespaces: Vec<NamespaceName>,
}

impl ClaimMapping {
    /// Reads the claims of a verified login; `None` when a mapped claim is present but is
    /// not a list of namespace names. Such a login gets no token at all.
    pub fn of(&self, claims: &Map<String, Value>) -> Option<Extras> {
        let holds = |rule: &Rule| rule.claim.find(claims) == Some(&rule.equals);
        let read_only = self.read_only_when.iter().any(holds);
        Some(Extras {
            access: if read_only { Access::ReadOnly } else { Access::ReadWrite },
            namespaces: names(self.namespaces.as_ref(), claims)?,
            read_namespaces: names(self.read_namespaces.as_ref(), claims)?,
        })
    }
}

fn names(path: Option<&ClaimPath>, claims: &Map<String, Value>) -> Option<Vec<NamespaceName>> {
    match path.and_then(|path| path.find(claims)) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(list)) if list.len() <= MOST_NAMESPACES => {
            list.iter().map(|name| name.as_str()?.parse().ok()).collect()
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapping(value: Value) -> Result<ClaimMapping, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    fn extras(mapping: &ClaimMapping, claims: Value) -> Option<Extras> {
        let Value::Object(claims) = claims else { panic!("an object") };
        mapping.of(&claims)
    }

    #[test]
    fn claims_of_the_auth_server_grant_rights() {
        let mapping = mapping(json!({
            "readOnlyWhen": [
                {"claim": "app_metadata.plan", "equals": "free"},
                {"claim": "/https:~1~1a.example~1frozen", "equals": true},
            ],
            "namespaces": "app_metadata.namespaces",
            "readNamespaces": "app_metadata.shared.read",
        }))
        .unwrap();
        assert_eq!(extras(&mapping, json!({})), Some(Extras::default()));
        let claims = json!({"app_metadata": {"plan": "paid", "namespaces": ["team-1"], "shared": {"read": ["docs"]}}});
        let found = extras(&mapping, claims).unwrap();
        assert_eq!(found.access, Access::ReadWrite);
        assert_eq!(found.namespaces[0].as_str(), "team-1");
        assert_eq!(found.read_namespaces[0].as_str(), "docs");
        for claims in
            [json!({"app_metadata": {"plan": "free"}}), json!({"https://a.example/frozen": true})]
        {
            assert_eq!(extras(&mapping, claims).unwrap().access, Access::ReadOnly);
        }
    }

    #[test]
    fn an_invalid_claim_grants_nothing_at_all() {
        let mapping = mapping(json!({"namespaces": "app_metadata.ns"})).unwrap();
        let many: Vec<String> = (0..33).map(|number| format!("n{number}")).collect();
        for list in [json!("team"), json!(["../x"]), json!([1]), json!({"a": 1}), json!(many)] {
            assert_eq!(extras(&mapping, json!({"app_metadata": {"ns": list}})), None, "{list}");
        }
    }

    #[test]
    fn claims_that_users_write_grant_nothing() {
        for path in
            ["user_metadata.plan", "/user_metadata/plan", "user_metadata", "raw_user_meta_data.x"]
        {
            let error = mapping(json!({"namespaces": path})).unwrap_err();
            assert!(error.contains("app_metadata"), "{error}");
        }
        for path in ["", ".", "a..b", "/", "a."] {
            assert!(mapping(json!({"namespaces": path})).is_err(), "{path}");
        }
    }
}
