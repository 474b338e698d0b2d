//! A minimal client for Hrana over HTTP. Unlike the `libsql` crate, it exposes the HTTP status and
//! the replication index of every answer.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::http::{Answer, excerpt, host_header};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;

/// A client for one database of one server.
#[derive(Clone, Debug)]
pub struct Hrana {
    http: reqwest::Client,
    /// Scheme, host and port, without a trailing slash.
    base: String,
    host: Option<String>,
    /// The header `x-namespace-bin`, which takes precedence over the host.
    selector: Option<String>,
    authorization: Option<SecretString>,
}

impl Hrana {
    /// The default namespace of a server on this machine, without a token.
    pub fn new(http: reqwest::Client, address: SocketAddr) -> Self {
        let host = Some(host_header(None, address));
        Self { http, base: format!("http://{address}"), host, selector: None, authorization: None }
    }

    /// The server at `url`; the host names the namespace, if any.
    pub fn at(http: reqwest::Client, url: &str) -> Self {
        let base = url.trim_end_matches('/').to_owned();
        Self { http, base, host: None, selector: None, authorization: None }
    }

    /// Returns the client with `token`.
    #[must_use]
    pub fn token(mut self, token: &SecretString) -> Self {
        self.authorization = Some(format!("Bearer {}", token.expose_secret()).into());
        self
    }

    /// Returns the client for `namespace`, chosen by the first label of the `Host` header.
    #[must_use]
    pub fn namespace(mut self, namespace: Option<&NamespaceName>) -> Self {
        if let (Some(host), Some(name)) = (&self.host, namespace) {
            self.host = Some(format!("{name}.{host}"));
        }
        self
    }

    /// Returns the client for `namespace`, chosen by header, whatever host the URL names.
    #[must_use]
    pub fn selecting(mut self, namespace: &NamespaceName) -> Self {
        self.selector = Some(STANDARD_NO_PAD.encode(namespace.as_str()));
        self
    }

    /// Runs a script of several statements, which stops at the first that fails.
    ///
    /// # Errors
    /// Exit 3 when the server does not answer. Refusals are in the [`Reply`].
    pub async fn script(&self, sql: &str) -> Result<Reply> {
        self.requests(json!([{ "type": "sequence", "sql": sql }])).await
    }

    /// Asks whether writes are allowed, with a write that never runs: its condition cannot be true,
    /// but the server checks the permission before it (measured on sqld 0.24.32).
    ///
    /// # Errors
    /// Exit 3 when the server does not answer. Refusals are in the [`Reply`].
    pub async fn dry_write(&self) -> Result<Reply> {
        let never = json!({ "type": "not", "cond": { "type": "and", "conds": [] } });
        let write = json!({ "sql": "CREATE TABLE never_made (x)" });
        let steps = json!([{ "condition": never, "stmt": write }]);
        self.requests(json!([{ "type": "batch", "batch": { "steps": steps } }])).await
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// Exit 3 when the server does not answer. Refusals are in the [`Reply`].
    pub async fn execute(&self, sql: &str) -> Result<Reply> {
        self.requests(json!([{ "type": "execute", "stmt": { "sql": sql } }])).await
    }

    /// Sends `requests`, an array of Hrana stream requests, and closes the stream.
    ///
    /// # Errors
    /// Exit 3 when the server does not answer. Refusals are in the [`Reply`].
    pub async fn requests(&self, mut requests: Value) -> Result<Reply> {
        if let Some(list) = requests.as_array_mut() {
            list.push(json!({ "type": "close" }));
        }
        let url = format!("{}/v3/pipeline", self.base);
        let mut request = self.http.post(url).json(&json!({ "requests": requests }));
        if let Some(host) = &self.host {
            request = request.header(reqwest::header::HOST, host);
        }
        if let Some(selector) = &self.selector {
            request = request.header("x-namespace-bin", selector);
        }
        if let Some(value) = &self.authorization {
            request = request.header(reqwest::header::AUTHORIZATION, value.expose_secret());
        }
        Ok(Reply::new(Answer::to(request, &self.base).await?))
    }
}

/// The answer of the server to a pipeline.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The whole body as text.
    pub body: String,
    json: Option<Value>,
}

impl Reply {
    fn new(answer: Answer) -> Self {
        Self {
            status: answer.status,
            json: serde_json::from_str(&answer.body).ok(),
            body: answer.body,
        }
    }

    fn result(&self, index: usize) -> Option<&Value> {
        self.json.as_ref()?.get("results")?.get(index)
    }

    /// The error inside a 200, if the first statement has one: its code and message.
    pub fn sql_error(&self) -> Option<(&str, &str)> {
        let error = self.result(0)?.get("error")?;
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        Some((text("code"), text("message")))
    }

    /// Whether the first request succeeded, whatever its type.
    pub fn is_done(&self) -> bool {
        let kind = self.result(0).and_then(|result| result.get("type")?.as_str());
        self.status == 200 && kind == Some("ok")
    }

    /// Whether the first statement ran.
    pub fn succeeded(&self) -> bool {
        self.status == 200 && self.execution().is_some()
    }

    fn execution(&self) -> Option<&Value> {
        self.result(0)?.get("response")?.get("result")
    }

    /// The replication index of the server, taken from a statement that ran; 0 for a database
    /// without a write, for which the server returns null.
    pub fn replication_index(&self) -> Option<u64> {
        match self.execution()?.get("replication_index")? {
            Value::Null => Some(0),
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        }
    }

    /// The names of the first statement's columns.
    pub fn columns(&self) -> Vec<String> {
        let columns = self.execution().and_then(|result| result.get("cols")?.as_array());
        let name = |column: &Value| column.get("name").and_then(Value::as_str).map(str::to_owned);
        columns.into_iter().flatten().map(|column| name(column).unwrap_or_default()).collect()
    }

    /// The rows of the first statement, each value as Hrana sends it.
    pub fn rows(&self) -> Option<&Value> {
        self.execution()?.get("rows")
    }

    /// The first value of the first row, as text.
    pub fn scalar(&self) -> Option<&str> {
        self.rows()?.get(0)?.get(0)?.get("value")?.as_str()
    }

    /// The status and the relevant part of the body, on one line.
    pub fn describe(&self) -> String {
        match self.sql_error() {
            Some((code, message)) => format!("{} with {code}: {}", self.status, excerpt(message)),
            None => format!("{} {}", self.status, excerpt(&self.body)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply::new(Answer { status, body: body.to_owned() })
    }

    #[test]
    fn an_error_inside_a_200_is_no_success() {
        let body = r#"{"results":[{"type":"error","error":{"message":"no such table: x","code":"SQLITE_ERROR"}}]}"#;
        let refused = reply(200, body);
        assert!(!refused.succeeded());
        assert_eq!(refused.sql_error(), Some(("SQLITE_ERROR", "no such table: x")));
        assert_eq!(refused.describe(), "200 with SQLITE_ERROR: no such table: x");
    }

    #[test]
    fn the_replication_index_is_text_or_number() {
        for index in ["\"7\"", "7"] {
            let body = format!(
                r#"{{"results":[{{"type":"ok","response":{{"type":"execute","result":{{"rows":[[{{"type":"integer","value":"3"}}]],"replication_index":{index}}}}}}}]}}"#
            );
            let answer = reply(200, &body);
            assert_eq!(answer.replication_index(), Some(7));
            assert_eq!(answer.scalar(), Some("3"));
        }
        assert_eq!(reply(401, "Unauthorized").replication_index(), None);
    }
}
