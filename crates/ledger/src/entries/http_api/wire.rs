//! Requests that [`Hrana`](demo_sqld_client::hrana::Hrana) does not make: any
//! path, any `Host`, any body.

use std::net::SocketAddr;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::http::Answer;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;

/// One client's way to one server.
#[derive(Clone)]
pub(in crate::entries) struct Wire {
    http: reqwest::Client,
    base: String,
    host: String,
    token: Option<SecretString>,
    headers: Vec<(&'static str, String)>,
}

impl Wire {
    /// With a token for everything, to the default namespace.
    pub fn new(stack: &EphemeralStack, service: &str) -> Result<Self> {
        let address = stack.address(service, Interface::Http)?;
        Ok(Self {
            http: stack.http.clone(),
            base: format!("http://{address}"),
            host: "localhost".to_owned(),
            token: Some(stack.full_token()?),
            headers: Vec::new(),
        })
    }

    /// A server at `address`, without a token.
    pub fn at(http: &reqwest::Client, address: SocketAddr) -> Self {
        Self {
            http: http.clone(),
            base: format!("http://{address}"),
            host: "localhost".to_owned(),
            token: None,
            headers: Vec::new(),
        }
    }

    /// The same at another address.
    pub fn moved(mut self, address: SocketAddr) -> Self {
        self.base = format!("http://{address}");
        self
    }

    /// The same with another `Host`.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The same on a namespace, by `Host`.
    pub fn namespace(self, name: &NamespaceName) -> Self {
        self.host(format!("{name}.localhost"))
    }

    /// The same with another token, or without one.
    pub fn token(mut self, token: Option<SecretString>) -> Self {
        self.token = token;
        self
    }

    /// The same with one header more.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A request whose answer is still to be read.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let mut request = request.header(HOST, &self.host);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        request
    }

    /// The value of the `Authorization` header, for requests by hand.
    pub fn authorization(&self) -> String {
        let token = self.token.as_ref().map_or("", |token| token.expose_secret());
        format!("{AUTHORIZATION}: Bearer {token}")
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        Ok(Answer::to(self.request(Method::GET, path), &self.base).await?)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, "application/json");
        Ok(Answer::to(request.body(body.to_string()), &self.base).await?)
    }

    /// A pipeline of stream requests, left open when `close` is not among them.
    pub async fn pipeline(&self, requests: Value) -> Result<Answer> {
        self.post("/v3/pipeline", &json!({ "requests": requests })).await
    }

    /// One statement.
    pub async fn execute(&self, sql: &str) -> Result<Answer> {
        self.pipeline(json!([execute(sql), { "type": "close" }])).await
    }

    /// The old batch interface, `POST /`.
    pub async fn batch(&self, statements: &[&str]) -> Result<Answer> {
        self.post("/", &json!({ "statements": statements })).await
    }
}

/// The stream request that runs `sql`.
pub(in crate::entries) fn execute(sql: &str) -> Value {
    json!({ "type": "execute", "stmt": { "sql": sql } })
}

/// The element `index` of a pipeline's results.
pub(in crate::entries) fn result(answer: &Answer, index: usize) -> Value {
    let body = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
    body["results"][index].clone()
}

/// The first value of the first row of a pipeline's first result, as text.
pub(in crate::entries) fn scalar(answer: &Answer) -> Option<String> {
    let value = &result(answer, 0)["response"]["result"]["rows"][0][0]["value"];
    value.as_str().map(str::to_owned)
}

/// The outcome of a pipeline's first result in a word or two: `ok`, an error's
/// code, or the HTTP status.
pub(in crate::entries) fn verdict_of(answer: &Answer) -> String {
    let first = result(answer, 0);
    match (answer.status, first["type"].as_str(), first["error"]["code"].as_str()) {
        (200, Some("ok"), _) => "ok".to_owned(),
        (200, _, Some(code)) => code.to_owned(),
        (status, ..) => format!("status {status}"),
    }
}

/// The baton of an open stream.
pub(in crate::entries) fn baton(answer: &Answer) -> Option<String> {
    let body = serde_json::from_str::<Value>(&answer.body).ok()?;
    body["baton"].as_str().map(str::to_owned)
}
