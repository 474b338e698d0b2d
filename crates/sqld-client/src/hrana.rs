//! A minimal client for Hrana over HTTP. Unlike the `libsql` crate, it exposes the HTTP status and
//! the replication index of every answer.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use libsql_hrana::proto::{
    Batch, BatchCond, BatchCondList, BatchStep, BatchStreamReq, CloseStreamReq, DescribeStreamReq,
    ExecuteStreamReq, PipelineReqBody, PipelineRespBody, SequenceStreamReq, Stmt, StmtResult,
    StreamRequest, StreamResponse, StreamResult, Value,
};
use secrecy::{ExposeSecret, SecretString};

use super::endpoint::{Dial, Endpoint};
use super::error::Error;
use super::http::{Answer, excerpt, host_header, loopback_client, remote_client};
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

    /// The database at `endpoint`, without a token.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    pub fn to(endpoint: &Endpoint) -> Result<Self, Error> {
        Ok(match endpoint.dial() {
            Dial::Address(_) if !endpoint.tls() => {
                let host = Some(endpoint.authority().to_owned());
                Self { host, ..Self::at(loopback_client()?, &endpoint.describe()) }
            }
            _ => Self::at(remote_client(endpoint)?, &endpoint.url()),
        })
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
    /// [`Error::Unreachable`] or [`Error::Silent`]. Refusals are in the [`Reply`].
    pub async fn script(&self, sql: &str) -> Result<Reply, Error> {
        let sql = Some(sql.to_owned());
        let script = SequenceStreamReq { sql, sql_id: None, replication_index: None };
        self.requests(vec![StreamRequest::Sequence(script)]).await
    }

    /// Asks whether writes are allowed, with a write that never runs: its condition cannot be true,
    /// but the server checks the permission before it (measured on sqld 0.24.32).
    ///
    /// # Errors
    /// [`Error::Unreachable`] or [`Error::Silent`]. Refusals are in the [`Reply`].
    pub async fn dry_write(&self) -> Result<Reply, Error> {
        let always = BatchCond::And(BatchCondList { conds: Vec::new() });
        let condition = Some(BatchCond::Not { cond: Box::new(always) });
        let stmt = Stmt::new("CREATE TABLE never_made (x)", false);
        let steps = vec![BatchStep { condition, stmt }];
        let batch = Batch { steps, replication_index: None };
        self.requests(vec![StreamRequest::Batch(BatchStreamReq { batch })]).await
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// [`Error::Unreachable`] or [`Error::Silent`]. Refusals are in the [`Reply`].
    pub async fn execute(&self, sql: &str) -> Result<Reply, Error> {
        self.statement(Stmt::new(sql, true)).await
    }

    /// Runs one statement with arguments or other options.
    ///
    /// # Errors
    /// [`Error::Unreachable`] or [`Error::Silent`]. Refusals are in the [`Reply`].
    pub async fn statement(&self, stmt: Stmt) -> Result<Reply, Error> {
        self.requests(vec![StreamRequest::Execute(ExecuteStreamReq { stmt })]).await
    }

    /// Asks what a statement takes and returns, without running it.
    ///
    /// # Errors
    /// [`Error::Unreachable`] or [`Error::Silent`]. Refusals are in the [`Reply`].
    pub async fn describe(&self, sql: &str) -> Result<Reply, Error> {
        let sql = Some(sql.to_owned());
        let describe = DescribeStreamReq { sql, sql_id: None, replication_index: None };
        self.requests(vec![StreamRequest::Describe(describe)]).await
    }

    /// Sends `requests`, one after another in a stream of their own, and closes the stream.
    ///
    /// # Errors
    /// [`Error::Unreachable`] or [`Error::Silent`]. Refusals are in the [`Reply`].
    pub async fn requests(&self, mut requests: Vec<StreamRequest>) -> Result<Reply, Error> {
        requests.push(StreamRequest::Close(CloseStreamReq {}));
        let pipeline = PipelineReqBody { baton: None, requests };
        let url = format!("{}/v3/pipeline", self.base);
        let mut request = self.http.post(url).json(&pipeline);
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
    /// The body, if it is what the protocol says.
    parsed: Option<Arc<PipelineRespBody>>,
    scalar: Option<String>,
}

impl Reply {
    fn new(answer: Answer) -> Self {
        let Answer { status, body } = answer;
        let parsed = serde_json::from_str(&body).ok().map(Arc::new);
        let mut reply = Self { status, body, parsed, scalar: None };
        reply.scalar =
            reply.execution().and_then(|result| as_text(result.rows.first()?.values.first()?));
        reply
    }

    fn first(&self) -> Option<&StreamResult> {
        self.parsed.as_ref()?.results.first()
    }

    /// The error inside a 200, if the first statement has one: its code and message.
    pub fn sql_error(&self) -> Option<(&str, &str)> {
        match self.first()? {
            StreamResult::Error { error } => Some((&error.code, &error.message)),
            _ => None,
        }
    }

    /// Whether the first request succeeded, whatever its type.
    pub fn is_done(&self) -> bool {
        self.status == 200 && matches!(self.first(), Some(StreamResult::Ok { .. }))
    }

    /// Whether the first statement ran.
    pub fn succeeded(&self) -> bool {
        self.status == 200 && self.execution().is_some()
    }

    /// The result of the first statement, if it ran.
    pub fn execution(&self) -> Option<&StmtResult> {
        match self.first()? {
            StreamResult::Ok { response: StreamResponse::Execute(execute) } => {
                Some(&execute.result)
            }
            _ => None,
        }
    }

    /// The replication index of the server, taken from a statement that ran; 0 for a database
    /// without a write, for which the server returns null.
    pub fn replication_index(&self) -> Option<u64> {
        Some(self.execution()?.replication_index.unwrap_or_default())
    }

    /// The first value of the first row, as text; `None` for NULL and blobs.
    pub fn scalar(&self) -> Option<&str> {
        self.scalar.as_deref()
    }

    /// The status and the relevant part of the body, on one line.
    pub fn describe(&self) -> String {
        match self.sql_error() {
            Some((code, message)) => format!("{} with {code}: {}", self.status, excerpt(message)),
            None => format!("{} {}", self.status, excerpt(&self.body)),
        }
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Integer { value } => Some(value.to_string()),
        Value::Text { value } => Some(value.to_string()),
        Value::Float { .. } | Value::Null | Value::Blob { .. } | Value::None => None,
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
        let body = r#"{"baton":null,"base_url":null,"results":[{"type":"error","error":{"message":"no such table: x","code":"SQLITE_ERROR"}}]}"#;
        let refused = reply(200, body);
        assert!(!refused.succeeded());
        assert_eq!(refused.sql_error(), Some(("SQLITE_ERROR", "no such table: x")));
        assert_eq!(refused.describe(), "200 with SQLITE_ERROR: no such table: x");
    }

    #[test]
    fn the_replication_index_is_text_or_number() {
        for index in ["\"7\"", "7"] {
            let body = format!(
                r#"{{"baton":null,"base_url":null,"results":[{{"type":"ok","response":{{"type":"execute","result":{{"cols":[],"rows":[[{{"type":"integer","value":"3"}}]],"affected_row_count":0,"last_insert_rowid":null,"replication_index":{index}}}}}}}]}}"#
            );
            let answer = reply(200, &body);
            assert_eq!(answer.replication_index(), Some(7));
            assert_eq!(answer.scalar(), Some("3"));
        }
        assert_eq!(reply(401, "Unauthorized").replication_index(), None);
    }
}
