//! Hrana over HTTP, by hand: for what the `libsql` crate does not show, the
//! HTTP status and the replication index of every answer.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::http::{Answer, excerpt, host_header};
use crate::error::Result;
use crate::server::namespace::NamespaceName;

/// One database of one server, as one client sees it.
#[derive(Clone, Debug)]
pub struct Hrana {
    http: reqwest::Client,
    address: SocketAddr,
    namespace: Option<NamespaceName>,
    authorization: Option<SecretString>,
}

impl Hrana {
    /// The server's default namespace, without a token.
    pub fn new(http: reqwest::Client, address: SocketAddr) -> Self {
        Self {
            http,
            address,
            namespace: None,
            authorization: None,
        }
    }

    /// The same with `token`.
    #[must_use]
    pub fn token(mut self, token: &SecretString) -> Self {
        self.authorization = Some(format!("Bearer {}", token.expose_secret()).into());
        self
    }

    /// The same on `namespace`.
    #[must_use]
    pub fn namespace(mut self, namespace: Option<&NamespaceName>) -> Self {
        self.namespace = namespace.cloned();
        self
    }

    /// Where requests go.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// Exit 3 when the server does not answer. Refusals are in the [`Reply`].
    pub async fn execute(&self, sql: &str) -> Result<Reply> {
        self.requests(json!([{ "type": "execute", "stmt": { "sql": sql } }]))
            .await
    }

    /// Sends `requests`, an array of Hrana stream requests, and closes the stream.
    ///
    /// # Errors
    /// Exit 3 when the server does not answer. Refusals are in the [`Reply`].
    pub async fn requests(&self, mut requests: Value) -> Result<Reply> {
        if let Some(list) = requests.as_array_mut() {
            list.push(json!({ "type": "close" }));
        }
        let url = format!("http://{}/v3/pipeline", self.address);
        let mut request = self
            .http
            .post(url)
            .header(
                reqwest::header::HOST,
                host_header(self.namespace.as_ref(), self.address),
            )
            .json(&json!({ "requests": requests }));
        if let Some(value) = &self.authorization {
            request = request.header(reqwest::header::AUTHORIZATION, value.expose_secret());
        }
        Ok(Reply::new(Answer::to(request, self.address).await?))
    }
}

/// What the server said to a pipeline.
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

    /// Whether the first statement ran.
    pub fn succeeded(&self) -> bool {
        self.status == 200 && self.execution().is_some()
    }

    fn execution(&self) -> Option<&Value> {
        self.result(0)?.get("response")?.get("result")
    }

    /// The replication index that the server stood at, from a statement that
    /// ran; 0 for a database to which nothing was written (the server says null).
    pub fn replication_index(&self) -> Option<u64> {
        match self.execution()?.get("replication_index")? {
            Value::Null => Some(0),
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        }
    }

    /// The rows of the first statement, each value as Hrana sends it.
    pub fn rows(&self) -> Option<&Value> {
        self.execution()?.get("rows")
    }

    /// The first value of the first row, as text.
    pub fn scalar(&self) -> Option<&str> {
        self.rows()?.get(0)?.get(0)?.get("value")?.as_str()
    }

    /// Status and the telling part of the body, on one line.
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
        Reply::new(Answer {
            status,
            body: body.to_owned(),
        })
    }

    #[test]
    fn an_error_inside_a_200_is_no_success() {
        let body = r#"{"results":[{"type":"error","error":{"message":"no such table: x","code":"SQLITE_ERROR"}}]}"#;
        let refused = reply(200, body);
        assert!(!refused.succeeded());
        assert_eq!(
            refused.sql_error(),
            Some(("SQLITE_ERROR", "no such table: x"))
        );
        assert_eq!(
            refused.describe(),
            "200 with SQLITE_ERROR: no such table: x"
        );
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
