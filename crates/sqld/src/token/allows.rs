//! What sqld 0.24.32 lets the holder of a valid token do, in sentences.
//!
//! Every rule here was observed on the server; several differ from what the claims suggest.

use jiff::Timestamp;

use super::quoted;
use crate::claims::{Claims, Permission, Permissions, Scopes};

/// The sentences for the claims of a verified token.
pub(super) fn sentences(claims: &Claims, now: Timestamp) -> Vec<String> {
    let mut said = match &claims.p {
        Some(permissions) => from_permissions(permissions),
        None => vec![from_legacy(claims)],
    };
    if claims.p.is_some() && (claims.a.is_some() || claims.id.is_some()) {
        said.push("`a` and `id` have no effect beside `p`".to_owned());
    }
    if attaches(claims) {
        said.push("attaching works only where `allow_attach` of the namespace is on".to_owned());
    }
    if claims.p.is_some() || claims.id.is_some() {
        said.push(
            "warning: only SQL requests are limited to these namespaces; anyone who can reach the \
             server's ports can use it to replicate the others"
                .to_owned(),
        );
    }
    if claims.nbf.is_some_and(|start| start > now.as_second()) {
        said.push("warning: it works already, since the server does not check `nbf`".to_owned());
    }
    said
}

fn from_permissions(permissions: &Permissions) -> Vec<String> {
    let said: Vec<String> = [
        ("read and write", &permissions.read_write),
        ("read", &permissions.read_only),
        ("read and attach", &permissions.read_attach),
        ("read, write and attach", &permissions.write_attach),
        ("read, write and change the schema of", &permissions.schema),
    ]
    .into_iter()
    .filter_map(|(verb, scopes)| Some((verb, scopes.as_ref()?)))
    .flat_map(|(verb, scopes)| from_scopes(verb, scopes))
    .collect();
    if said.is_empty() {
        vec!["nothing: `p` names no namespace, so every request is answered 404".to_owned()]
    } else {
        said
    }
}

fn from_scopes(verb: &str, scopes: &Scopes) -> Vec<String> {
    let listed = |names: &Option<Vec<String>>| {
        let names: Vec<String> = names.iter().flatten().map(|name| quoted(name)).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let namespaces = listed(&scopes.namespaces).map(|names| format!("{verb} {names}"));
    let tags = listed(&scopes.tags)
        .map(|tags| format!("{verb} every namespace of a server whose LIBSQL_GID is {tags}"));
    namespaces.into_iter().chain(tags).collect()
}

/// The rules for a token without `p`.
fn from_legacy(claims: &Claims) -> String {
    let place = match &claims.id {
        Some(id) => quoted(id),
        None => "every namespace".to_owned(),
    };
    match claims.a {
        Some(Permission::Rw) => format!("read and write {place}"),
        Some(Permission::Ro) => format!("read {place}"),
        Some(Permission::Roa) => format!("read and attach {place}"),
        None if claims.id.is_some() => {
            format!("read and write {place}: a token without `a` is not limited to reading")
        }
        None => "warning: it has none of `a`, `id` and `p`, which the server treats as full \
                 access: read and write every namespace"
            .to_owned(),
    }
}

fn attaches(claims: &Claims) -> bool {
    match &claims.p {
        Some(permissions) => {
            permissions.read_attach.is_some() || permissions.write_attach.is_some()
        }
        None => claims.a == Some(Permission::Roa),
    }
}
