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

use super::http::Answer;
use demo_base::error::{Fault, Result};
use demo_sqld::namespace::NamespaceName;

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
    /// Exit 3 when the server does not answer.
    pub async fn raw(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
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
    /// Exit 3, 4 or 1, as the server answers.
    pub async fn create(&self, name: &NamespaceName) -> Result<bool> {
        let path = format!("/v1/namespaces/{name}/create");
        let answer = self.raw(reqwest::Method::POST, &path, Some(&json!({}))).await?;
        if answer.status == 400 && answer.body.contains("already exists") {
            return Ok(false);
        }
        expect_success(&answer, name)?;
        Ok(true)
    }

    /// Deletes a namespace with its data.
    ///
    /// # Errors
    /// Exit 5 when it does not exist; 3, 4 or 1, as the server answers.
    pub async fn delete(&self, name: &NamespaceName) -> Result<()> {
        let path = format!("/v1/namespaces/{name}");
        let answer = self.raw(reqwest::Method::DELETE, &path, None).await?;
        expect_success(&answer, name)
    }

    /// Copies `from` to `to`, which must not exist.
    ///
    /// # Errors
    /// Exit 2 when `to` exists, 5 when `from` does not; 3, 4 or 1 otherwise.
    pub async fn fork(&self, from: &NamespaceName, to: &NamespaceName) -> Result<()> {
        self.config(from).await?;
        if self.exists(to).await? {
            return Err(Fault::input(format!("the namespace `{to}` exists already"))
                .hint(format!(
                    "a fork would destroy it; choose another name or `demo namespace delete {to}`"
                ))
                .into());
        }
        let path = format!("/v1/namespaces/{from}/fork/{to}");
        let answer = self.raw(reqwest::Method::POST, &path, None).await?;
        expect_success(&answer, from)
    }

    /// Whether `name` exists.
    ///
    /// # Errors
    /// Exit 3, 4 or 1, as the server answers.
    pub async fn exists(&self, name: &NamespaceName) -> Result<bool> {
        match self.config(name).await {
            Ok(_) => Ok(true),
            Err(error) => match error.downcast_ref::<Fault>() {
                Some(fault) if fault.code() == demo_base::exit_code::ExitCode::NotFound => {
                    Ok(false)
                }
                _ => Err(error),
            },
        }
    }

    /// The configuration of `name`.
    ///
    /// # Errors
    /// Exit 5 when it does not exist; 3, 4 or 1, as the server answers.
    pub async fn config(&self, name: &NamespaceName) -> Result<Map<String, Value>> {
        self.get(name, "config").await
    }

    /// The statistics of `name`, including `replication_index`.
    ///
    /// # Errors
    /// Exit 5 when it does not exist; 3, 4 or 1, as the server answers.
    pub async fn stats(&self, name: &NamespaceName) -> Result<Map<String, Value>> {
        self.get(name, "stats").await
    }

    /// Changes the given fields of the configuration of `name` and sends all others unchanged.
    /// Returns the resulting configuration of the server.
    ///
    /// # Errors
    /// Exit 5 when it does not exist; 3, 4 or 1, as the server answers.
    pub async fn configure(
        &self,
        name: &NamespaceName,
        changes: Map<String, Value>,
    ) -> Result<Map<String, Value>> {
        let mut config = self.config(name).await?;
        config.extend(changes);
        let path = format!("/v1/namespaces/{name}/config");
        let answer = self.raw(reqwest::Method::POST, &path, Some(&Value::Object(config))).await?;
        expect_success(&answer, name)?;
        self.config(name).await
    }

    async fn get(&self, name: &NamespaceName, route: &str) -> Result<Map<String, Value>> {
        let path = format!("/v1/namespaces/{name}/{route}");
        let answer = self.raw(reqwest::Method::GET, &path, None).await?;
        expect_success(&answer, name)?;
        serde_json::from_str(&answer.body).map_err(|error| {
            Fault::failed(format!("the Admin API's {route} of `{name}` is not a JSON object"))
                .because(error)
                .into()
        })
    }
}

fn expect_success(answer: &Answer, name: &NamespaceName) -> Result<()> {
    let fault = match answer.status {
        200..=299 => return Ok(()),
        401 | 403 => Fault::rejected("the Admin API refused the key")
            .hint("set LIBSQL_ADMIN_AUTH_KEY to the key that the server was started with"),
        404 => Fault::not_found(format!("there is no namespace `{name}`"))
            .hint(format!("create it with `demo namespace create {name}`")),
        status => Fault::failed(format!("the Admin API answered {status}")),
    };
    let body = answer.excerpt();
    Err(if body.is_empty() { fault.into() } else { fault.because(body).into() })
}
