//! Explains errors of the `libsql` crate, and what to do about them.
//!
//! The crate passes on the answer of the server as text: `status=401 Unauthorized, body=...` for a
//! refusal, `http error` for a connection that could not be opened (read in its source, 0.10.0).

use libsql::Error::SqliteFailure;

use super::endpoint::Endpoint;
use crate::hrana::Reply;
use crate::http::excerpt;
use demo_base::error::Fault;

/// The fault for an answer that is not a success.
pub fn of_reply(reply: &Reply, endpoint: &Endpoint) -> Option<Fault> {
    let server = endpoint.describe();
    if reply.status != 200 {
        return Some(refused(reply.status, &excerpt(&server_message(&reply.body)), endpoint));
    }
    let (_, message) = reply.sql_error()?;
    Some(of_statement(&server, message))
}

/// A replica forwards a write and reports the refusal of its primary as an error of the statement.
fn of_statement(server: &str, message: &str) -> Fault {
    if is_permission(message) {
        return Fault::rejected(format!("{server}, through its primary, refused the statement"))
            .because(excerpt(message))
            .hint("run `demo token inspect` to see what the token allows");
    }
    statement(server, message)
}

fn is_permission(message: &str) -> bool {
    message.contains("forbidden") || message.contains("PermissionDenied")
}

fn statement(server: &str, message: &str) -> Fault {
    let fault = Fault::failed(format!("{server} refused the statement")).because(excerpt(message));
    if message.contains("no such table: items") {
        return fault.hint("run `demo init` with the same options to create the table");
    }
    fault
}

/// The cause of a fault that comes from a damaged local database file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(pub String);

/// `SQLite`'s codes for a damaged database and for a file that is not one.
const DAMAGE: [i32; 2] = [11, 26];

/// The fault for `error`, which occurred while talking to `endpoint` or reading a copy of it.
pub fn explain(error: &libsql::Error, endpoint: &Endpoint) -> Fault {
    let text = error.to_string();
    let server = endpoint.describe();
    if let SqliteFailure(code, message) = error {
        let replica = format!("the embedded replica of {server}");
        return if DAMAGE.contains(&(code & 0xff)) {
            Fault::failed(format!("{replica} is damaged"))
                .because(Damaged(message.clone()))
                .hint("run `demo sync` to repair it once the primary answers")
        } else {
            statement(&replica, message)
        };
    }
    if let Some((status, body)) = api_status(&text) {
        return refused(status, &excerpt(&server_message(body)), endpoint);
    }
    if text.contains("http error:") {
        let cause = ["Connection refused", "timed out", "certificate", "lookup"]
            .into_iter()
            .find(|word| text.contains(word))
            .map_or_else(|| root_text(&text), str::to_lowercase);
        return Fault::unreachable(format!("cannot connect to {server}"))
            .because(cause)
            .hint("start a stack with `demo up`, or pass the URL of a server with `--url`");
    }
    of_statement(&server, &root_text(&text))
}

fn refused(status: u16, body: &str, endpoint: &Endpoint) -> Fault {
    let server = endpoint.describe();
    let why = if body.is_empty() { format!("status {status}") } else { body.to_owned() };
    if status == 400 && is_permission(body) {
        return of_statement(&server, body);
    }
    match (status, endpoint.namespace()) {
        (401, _) => Fault::rejected(format!("{server} refused the token (401)"))
            .because(why)
            .hint("run `demo token inspect` to see what is wrong with it"),
        (403, _) => Fault::rejected(format!("{server} does not allow this with the token (403)"))
            .because(why)
            .hint("run `demo token inspect` to see what the token allows"),
        (404, Some(name)) => {
            Fault::not_found(format!("there is no namespace `{name}` at {server}"))
                .because(why)
                .hint(format!("create it with `demo namespace create {name}`"))
        }
        (404, None) => Fault::not_found(format!("{server} has no default namespace"))
            .because(why)
            .hint("name one with --namespace"),
        (400, None) if body.contains("host header") || body.contains("namespace") => {
            Fault::input(format!("{server} has no default namespace"))
                .because(why)
                .hint("name one with --namespace, or create one with `demo namespace create NAME`")
        }
        _ => Fault::failed(format!("{server} answered {status}")).because(why),
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
    use demo_base::exit_code::ExitCode;

    fn fault(text: &str, namespace: Option<&str>) -> Fault {
        let namespace = namespace.map(|name| name.parse().unwrap());
        let endpoint = Endpoint::local(([127, 0, 0, 1], 18080).into(), namespace.as_ref());
        explain(&libsql::Error::Hrana(text.to_owned().into()), &endpoint)
    }

    #[test]
    fn the_status_decides_the_exit_code() {
        let api = |status: &str, body: &str| format!("api error: `status={status}, body={body}`");
        let table = [
            (api("401 Unauthorized", "{\"error\":\"x\"}"), None, ExitCode::Rejected),
            (api("403 Forbidden", "{\"error\":\"x\"}"), None, ExitCode::Rejected),
            (api("404 Not Found", "{\"error\":\"x\"}"), Some("shop"), ExitCode::NotFound),
            (api("400 Bad Request", "Invalid host header"), None, ExitCode::Input),
            (api("500 Internal Server Error", ""), None, ExitCode::Failed),
            (
                "http error: `connection error: Connection refused`".into(),
                None,
                ExitCode::Unreachable,
            ),
            (
                "stream error: `Error { message: \"no such table: items\", code: \"S\" }`".into(),
                None,
                ExitCode::Failed,
            ),
        ];
        for (text, namespace, code) in table {
            assert_eq!(fault(&text, namespace).code(), code, "{text}");
        }
    }

    #[test]
    fn the_innermost_message_is_shown() {
        let text =
            "Hrana: `stream error: `Error { message: \"near \\\"x\\\": syntax\", code: \"S\" }``";
        assert_eq!(root_text(text), "near \"x\": syntax");
    }
}
