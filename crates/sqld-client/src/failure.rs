//! Turns the answers of a server, and the errors of the `libsql` crate, into an [`Error`].
//!
//! The crate passes on the answer of the server as text: `status=401 Unauthorized, body=...` for a
//! refusal, `http error` for a connection that could not be opened (read in its source, 0.10.0).

use libsql::Error::SqliteFailure;

use crate::endpoint::Endpoint;
use crate::error::{Error, Said};
use crate::hrana::Reply;
use crate::http::excerpt;

impl Reply {
    /// The error that this answer of `endpoint` stands for, if it is not a success.
    pub fn error(&self, endpoint: &Endpoint) -> Option<Error> {
        if self.status != 200 {
            return Some(refused(self.status, &server_message(&self.body), endpoint));
        }
        let (_, message) = self.sql_error()?;
        Some(of_statement(endpoint.describe(), message))
    }
}

/// A replica forwards a write and reports the refusal of its primary as an error of the statement.
fn of_statement(server: String, message: &str) -> Error {
    if is_permission(message) {
        return Error::ForbiddenByPrimary { server, source: said(message) };
    }
    statement(server, message)
}

fn is_permission(message: &str) -> bool {
    message.contains("forbidden") || message.contains("PermissionDenied")
}

fn statement(server: String, message: &str) -> Error {
    Error::Statement { server, missing_table: missing_table(message), source: said(message) }
}

/// The table in `no such table: NAME`, the text that `SQLite` has for it.
fn missing_table(message: &str) -> Option<String> {
    let (_, name) = message.split_once("no such table: ")?;
    Some(name.split([' ', '`', '"', '\n']).next()?.to_owned())
}

fn said(text: &str) -> Said {
    Said(excerpt(text))
}

/// `SQLite`'s code for a write to a read-only database.
const READ_ONLY: i32 = 8;

/// `SQLite`'s codes for a damaged database and for a file that is not one.
const DAMAGE: [i32; 2] = [11, 26];

impl Error {
    /// The meaning of `error`, which occurred while the crate talked to `endpoint` or read a copy of
    /// it.
    pub fn of_crate(error: &libsql::Error, endpoint: &Endpoint) -> Self {
        let text = error.to_string();
        let server = endpoint.describe();
        if let SqliteFailure(code, message) = error {
            let replica = format!("the embedded replica of {server}");
            return match code & 0xff {
                READ_ONLY => Self::CopyWritten,
                damage if DAMAGE.contains(&damage) => {
                    Self::Damaged { replica, source: Said(message.clone()) }
                }
                _ => statement(replica, message),
            };
        }
        if let Some((status, body)) = api_status(&text) {
            return refused(status, &server_message(body), endpoint);
        }
        if text.contains("http error:") {
            let cause = ["Connection refused", "timed out", "certificate", "lookup"]
                .into_iter()
                .find(|word| text.contains(word))
                .map_or_else(|| root_text(&text), str::to_lowercase);
            return Self::Unreachable { server, source: Said(cause).into() };
        }
        of_statement(server, &root_text(&text))
    }
}

fn refused(status: u16, body: &str, endpoint: &Endpoint) -> Error {
    let server = endpoint.describe();
    if status == 400 && is_permission(body) {
        return of_statement(server, body);
    }
    let source = if body.is_empty() { Said(format!("status {status}")) } else { said(body) };
    match (status, endpoint.namespace()) {
        (401, _) => Error::TokenRefused { server, status, source },
        (403, _) => Error::Forbidden { server, source },
        (404, Some(name)) => Error::NoNamespace { server, name: name.clone(), source },
        (404, None) => Error::NoDefaultNamespace { server, status, source },
        (400, None) if body.contains("host header") || body.contains("namespace") => {
            Error::NoDefaultNamespace { server, status, source }
        }
        _ => Error::Status { server, status, source },
    }
}

/// Finds `status=401 Unauthorized, body=...` anywhere in `text`.
fn api_status(text: &str) -> Option<(u16, &str)> {
    let (_, rest) = text.split_once("status=")?;
    let (status, body) = rest.split_once(", body=")?;
    let digits = status.split(' ').next()?;
    Some((digits.parse().ok()?, body.trim_end_matches('`')))
}

/// The message in `{"error":"..."}`, or the unchanged body.
fn server_message(body: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let message = json.as_ref().and_then(|json| json.get("error")?.as_str());
    message.unwrap_or(body).to_owned()
}

/// The innermost quoted message; the crate wraps it once per layer.
fn root_text(text: &str) -> String {
    if let Some((_, rest)) = text.split_once("message: \"") {
        let end = rest.find("\", code").or_else(|| rest.rfind('"')).unwrap_or(rest.len());
        return rest[..end].replace("\\\"", "\"");
    }
    let mut inner = text.trim_end_matches('`');
    for opening in ["error: `", ") `"] {
        while let Some((_, rest)) = inner.split_once(opening) {
            inner = rest;
        }
    }
    excerpt(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str, namespace: Option<&str>) -> Error {
        let namespace = namespace.map(|name| name.parse().unwrap());
        let endpoint = Endpoint::local(([127, 0, 0, 1], 18080).into(), namespace.as_ref());
        Error::of_crate(&libsql::Error::Hrana(text.to_owned().into()), &endpoint)
    }

    #[test]
    fn the_status_decides_what_it_is() {
        let api = |status: &str, body: &str| {
            error(&format!("api error: `status={status}, body={body}`"), None)
        };
        assert!(matches!(api("401 Unauthorized", "{\"error\":\"x\"}"), Error::TokenRefused { .. }));
        assert!(matches!(api("403 Forbidden", "{\"error\":\"x\"}"), Error::Forbidden { .. }));
        let without = api("400 Bad Request", "Invalid host header");
        assert!(matches!(without, Error::NoDefaultNamespace { status: 400, .. }));
        assert!(matches!(api("500 Internal", ""), Error::Status { status: 500, .. }));
        let gone = error("api error: `status=404 Not Found, body={\"error\":\"x\"}`", Some("shop"));
        assert!(matches!(gone, Error::NoNamespace { name, .. } if name.as_str() == "shop"));
    }

    #[test]
    fn the_text_of_the_crate_tells_the_rest() {
        let gone = error("http error: `connection error: Connection refused`", None);
        assert!(matches!(gone, Error::Unreachable { .. }));
        let text = "stream error: `Error { message: \"no such table: items\", code: \"S\" }`";
        let missing = error(text, None);
        let Error::Statement { missing_table, .. } = missing else { panic!("{missing}") };
        assert_eq!(missing_table.as_deref(), Some("items"));
    }

    #[test]
    fn the_innermost_message_is_shown() {
        let text =
            "Hrana: `stream error: `Error { message: \"near \\\"x\\\": syntax\", code: \"S\" }``";
        assert_eq!(root_text(text), "near \"x\": syntax");
    }
}
