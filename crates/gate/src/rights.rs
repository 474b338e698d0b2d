//! What a token may do with a namespace: the claims as sqld 0.24.32 reads them,
//! except for two cases that would open everything.
//!
//! The server gives full access to a token with none of `a`, `id` and `p`, and lets a
//! tag cover every namespace of a server whose group has that name. Here such
//! tokens get nothing, unless `operators` lists the subject of a token without claims.

use demo_sqld::claims::{Claims, Permission, Permissions, Scopes};
use demo_sqld::namespace::NamespaceName;

/// What a token may do.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Right {
    Nothing,
    Read,
    /// Includes reading.
    Write,
}

/// What the holder of `claims` may do with `namespace`. `operators` are the
/// subjects whose tokens need not name a namespace.
pub fn right(claims: &Claims, namespace: &NamespaceName, operators: &[String]) -> Right {
    // `p` takes precedence over `a` and `id`.
    if let Some(permissions) = &claims.p {
        return from_permissions(permissions, namespace);
    }
    let covered = match &claims.id {
        Some(id) => id == namespace.as_str(),
        None => claims.sub.as_ref().is_some_and(|subject| operators.contains(subject)),
    };
    match (covered, claims.a) {
        (false, _) => Right::Nothing,
        (true, Some(Permission::Ro | Permission::Roa)) => Right::Read,
        (true, Some(Permission::Rw) | None) => Right::Write,
    }
}

fn from_permissions(permissions: &Permissions, namespace: &NamespaceName) -> Right {
    let Permissions { read_write, read_only, read_attach, write_attach, schema, others: _ } =
        permissions;
    let scopes = [read_write, read_only, read_attach, write_attach, schema];
    let tagged = |scopes: &Scopes| scopes.tags.as_ref().is_some_and(|tags| !tags.is_empty());
    if scopes.into_iter().flatten().any(tagged) {
        return Right::Nothing;
    }
    let covers = |scopes: &Option<Scopes>| {
        let named = scopes.as_ref().and_then(|scopes| scopes.namespaces.as_ref());
        named.is_some_and(|names| names.iter().any(|name| name == namespace.as_str()))
    };
    // Changing the schema implies writing.
    if [read_write, write_attach, schema].into_iter().any(covers) {
        Right::Write
    } else if [read_only, read_attach].into_iter().any(covers) {
        Right::Read
    } else {
        Right::Nothing
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use demo_sqld::strict_json;

    fn of(claims: Value, namespace: &str) -> Right {
        let claims = Claims::strict(claims.as_object().unwrap().clone()).unwrap();
        right(&claims, &namespace.parse().unwrap(), &["ops".to_owned()])
    }

    #[test]
    fn claims_are_read_as_the_server_reads_them() {
        use Right::{Nothing, Read, Write};
        for (claims, at_a, at_b) in [
            (json!({"id": "a"}), Write, Nothing),
            (json!({"id": "a", "a": "rw"}), Write, Nothing),
            (json!({"id": "a", "a": "ro"}), Read, Nothing),
            (json!({"id": "a", "a": "roa"}), Read, Nothing),
            (json!({"id": "a", "sub": "ops"}), Write, Nothing),
            (json!({"id": ""}), Nothing, Nothing),
            (json!({"p": {"rw": {"ns": ["a"]}}}), Write, Nothing),
            (json!({"p": {"ro": {"ns": ["a"]}}}), Read, Nothing),
            (json!({"p": {"roa": {"ns": ["a"]}}}), Read, Nothing),
            (json!({"p": {"rwa": {"ns": ["a"]}}}), Write, Nothing),
            (json!({"p": {"ddl": {"ns": ["a"]}}}), Write, Nothing),
            (json!({"p": {"ro": {"ns": ["a"]}, "rw": {"ns": ["b"]}}}), Read, Write),
            (json!({"p": {"ro": {"ns": ["a", "b"]}, "rw": {"ns": ["b"]}}}), Read, Write),
            // `p` takes precedence, even if it is empty.
            (json!({"p": {}, "id": "a"}), Nothing, Nothing),
            (json!({"p": {}, "sub": "ops"}), Nothing, Nothing),
            (json!({"p": {"rw": {"ns": ["a"]}}, "id": "b"}), Write, Nothing),
            (json!({"p": null, "id": "b"}), Nothing, Write),
            // No claim names a namespace.
            (json!({}), Nothing, Nothing),
            (json!({"a": "rw"}), Nothing, Nothing),
            (json!({"sub": "user-1"}), Nothing, Nothing),
            (json!({"sub": "ops"}), Write, Write),
            (json!({"sub": "ops", "a": "ro"}), Read, Read),
            // A tag could cover every namespace.
            (json!({"p": {"rw": {"tags": ["group"]}}}), Nothing, Nothing),
            (json!({"p": {"ro": {"ns": ["a"]}, "rw": {"tags": ["g"]}}}), Nothing, Nothing),
            (json!({"p": {"ro": {"ns": ["a"], "tags": []}}}), Read, Nothing),
        ] {
            assert_eq!(
                (of(claims.clone(), "a"), of(claims.clone(), "b")),
                (at_a, at_b),
                "{claims}"
            );
        }
    }

    #[test]
    fn malformed_claims_are_errors() {
        for text in [
            r#"{"a":"admin"}"#,
            r#"{"id":7}"#,
            r#"{"exp":"soon"}"#,
            r#"{"exp":1.5}"#,
            r#"{"p":[]}"#,
            r#"{"p":{"rw":{"ns":"a"}}}"#,
            r#"{"id":"a","id":"b"}"#,
            r#"{"p":{"rw":{"ns":["a"]},"rw":{"ns":["b"]}}}"#,
            r#"{"sub":7}"#,
            r#"{"jti":7}"#,
        ] {
            let read = strict_json::object(text.as_bytes()).ok().and_then(Claims::strict);
            assert!(read.is_none(), "{text}");
        }
    }

    fn scopes() -> impl Strategy<Value = Value> {
        let names = || proptest::option::of(proptest::collection::vec("[abc]", 0..3));
        (names(), names()).prop_map(|(names, tags)| {
            let mut scopes = json!({});
            if let Some(names) = names {
                scopes["ns"] = json!(names);
            }
            if let Some(tags) = tags {
                scopes["tags"] = json!(tags);
            }
            scopes
        })
    }

    proptest! {
        /// A namespace that no claim names gets nothing, and writing needs a claim that says so.
        #[test]
        fn never_more_than_the_claims_say(
            a in proptest::option::of(prop_oneof![Just("rw"), Just("ro"), Just("roa")]),
            id in proptest::option::of("[abc]"),
            kinds in proptest::collection::btree_map(
                prop_oneof![Just("rw"), Just("ro"), Just("roa"), Just("rwa"), Just("ddl")], scopes(), 0..4),
            with_p in any::<bool>(),
            sub in proptest::option::of("[xy]"),
        ) {
            let mut claims = json!({"a": a, "id": id, "sub": sub});
            if with_p {
                claims["p"] = json!(kinds);
            }
            let names = |kind: &str, name: &str| kinds.get(kind).is_some_and(|scopes| {
                scopes["ns"].as_array().is_some_and(|names| names.contains(&json!(name)))
            });
            for name in ["a", "b", "c"] {
                let right = of(claims.clone(), name);
                if right > Right::Nothing {
                    let named = if with_p {
                        ["rw", "ro", "roa", "rwa", "ddl"].into_iter().any(|kind| names(kind, name))
                    } else {
                        id.as_deref() == Some(name)
                    };
                    prop_assert!(named, "{claims} at {name}");
                }
                if right == Right::Write {
                    let writes = if with_p {
                        ["rw", "rwa", "ddl"].into_iter().any(|kind| names(kind, name))
                    } else {
                        !matches!(a, Some("ro" | "roa"))
                    };
                    prop_assert!(writes, "{claims} at {name}");
                }
            }
        }
    }
}
