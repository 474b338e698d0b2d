//! The Admin API: namespaces.
//!
//! Measured on sqld 0.24.32: the key is sent in the header unencoded (`Authorization: basic KEY`,
//! not base64), an unknown route answers 200 with an empty body, `fork` onto an existing namespace
//! may destroy it, and a POST to `config` resets every field that it does not contain. Therefore
//! only known routes are used, the target is checked before a fork, and every POST is preceded by a
//! GET.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::error::{Error, Said};
use super::http::Answer;
use demo_sqld::namespace::NamespaceName;

const API: &str = "the Admin API";

/// A server's Admin API.
#[derive(Clone, Debug)]
pub struct Admin {
    http: reqwest::Client,
    /// Scheme, host and port, without a trailing slash.
    base: String,
    key: Option<SecretString>,
}

impl Admin {
    /// The API at `address`; `key` is `None` for a server without a key.
    pub fn new(http: reqwest::Client, address: SocketAddr, key: Option<&SecretString>) -> Self {
        Self::at(http, &format!("http://{address}"), key)
    }

    /// The API at `base`: scheme, host and port, without a trailing slash.
    pub fn at(http: reqwest::Client, base: &str, key: Option<&SecretString>) -> Self {
        Self { http, base: base.to_owned(), key: key.cloned() }
    }

    /// Sends one request; the caller interprets the answer.
    ///
    /// # Errors
    /// [`Error::Unreachable`] or [`Error::Silent`].
    pub async fn raw(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Error> {
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method, url);
        if let Some(key) = &self.key {
            let value = format!("basic {}", key.expose_secret());
            request = request.header(reqwest::header::AUTHORIZATION, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::to(request, &self.base).await
    }

    /// Creates a namespace. Returns `Ok(false)` if it exists already.
    ///
    /// A server without `--enable-namespaces` answers 200 as well, but the namespace can never be
    /// reached then, so the caller must know how the server was started.
    ///
    /// # Errors
    /// As the server answers.
    pub async fn create(&self, name: &NamespaceName) -> Result<bool, Error> {
        let path = format!("/v1/namespaces/{name}/create");
        let answer = self.raw(reqwest::Method::POST, &path, Some(&json!({}))).await?;
        if answer.status == 400 && answer.body.contains("already exists") {
            return Ok(false);
        }
        self.expect_success(&answer, name)?;
        Ok(true)
    }

    /// Deletes a namespace with its data.
    ///
    /// # Errors
    /// [`Error::NoNamespace`] when it does not exist; else as the server answers.
    pub async fn delete(&self, name: &NamespaceName) -> Result<(), Error> {
        let path = format!("/v1/namespaces/{name}");
        let answer = self.raw(reqwest::Method::DELETE, &path, None).await?;
        self.expect_success(&answer, name)
    }

    /// Copies `from` to `to`, which must not exist.
    ///
    /// # Errors
    /// [`Error::NamespaceExists`] for `to`, [`Error::NoNamespace`] for `from`; else as the server
    /// answers.
    pub async fn fork(&self, from: &NamespaceName, to: &NamespaceName) -> Result<(), Error> {
        self.config(from).await?;
        if self.exists(to).await? {
            return Err(Error::NamespaceExists { name: to.clone() });
        }
        let path = format!("/v1/namespaces/{from}/fork/{to}");
        let answer = self.raw(reqwest::Method::POST, &path, None).await?;
        self.expect_success(&answer, from)
    }

    /// Whether `name` exists.
    ///
    /// # Errors
    /// As the server answers.
    pub async fn exists(&self, name: &NamespaceName) -> Result<bool, Error> {
        match self.config(name).await {
            Ok(_) => Ok(true),
            Err(Error::NoNamespace { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The configuration of `name`.
    ///
    /// # Errors
    /// [`Error::NoNamespace`] when it does not exist; else as the server answers.
    pub async fn config(&self, name: &NamespaceName) -> Result<Map<String, Value>, Error> {
        self.get(name, "config").await
    }

    /// The statistics of `name`, including `replication_index`.
    ///
    /// # Errors
    /// [`Error::NoNamespace`] when it does not exist; else as the server answers.
    pub async fn stats(&self, name: &NamespaceName) -> Result<Map<String, Value>, Error> {
        self.get(name, "stats").await
    }

    /// Changes the given fields of the configuration of `name` and sends all others unchanged.
    /// Returns the resulting configuration of the server.
    ///
    /// # Errors
    /// [`Error::NoNamespace`] when it does not exist; else as the server answers.
    pub async fn configure(
        &self,
        name: &NamespaceName,
        changes: Map<String, Value>,
    ) -> Result<Map<String, Value>, Error> {
        let mut config = self.config(name).await?;
        config.extend(changes);
        let path = format!("/v1/namespaces/{name}/config");
        let answer = self.raw(reqwest::Method::POST, &path, Some(&Value::Object(config))).await?;
        self.expect_success(&answer, name)?;
        self.config(name).await
    }

    async fn get(&self, name: &NamespaceName, route: &str) -> Result<Map<String, Value>, Error> {
        let path = format!("/v1/namespaces/{name}/{route}");
        let answer = self.raw(reqwest::Method::GET, &path, None).await?;
        self.expect_success(&answer, name)?;
        serde_json::from_str(&answer.body).map_err(|error| Error::UnusableAnswer {
            server: API.to_owned(),
            what: format!("the {route} of `{name}` is not a JSON object"),
            source: Some(error.into()),
        })
    }

    fn expect_success(&self, answer: &Answer, name: &NamespaceName) -> Result<(), Error> {
        let source = match answer.excerpt() {
            body if body.is_empty() => Said(format!("status {}", answer.status)),
            body => Said(body),
        };
        let server = || self.base.clone();
        Err(match answer.status {
            200..=299 => return Ok(()),
            401 | 403 => Error::KeyRefused { api: API, source },
            404 => Error::NoNamespace { server: server(), name: name.clone(), source },
            status => Error::Status { server: API.to_owned(), status, source },
        })
    }
}
