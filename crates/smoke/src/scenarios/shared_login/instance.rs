//! One instance of `demo auth serve` on the stack, and the requests of its clients.
//!
//! It is a separate process, as in real use, so that the command line, the configuration file and
//! the environment are tested as well.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::Error;
use demo_base::error::Result;
use demo_base::files;
use demo_base::ready::{Attempt, poll};
use demo_sqld_client::http::Answer;
use demo_stack::engine::ephemeral::EphemeralStack;

/// At start the instance opens its database, and with an embedded replica copies it.
const START_DEADLINE: Duration = Duration::from_secs(20);
/// The variable that the file names for the token, so that the file itself contains no secret.
const TOKEN_VARIABLE: &str = "DEMO_TOKEN";

/// A started instance, which ends with the stack.
pub struct Instance<'a> {
    stack: &'a EphemeralStack,
    pub name: &'static str,
    /// Empty until the address is known, like the next field.
    base: String,
    /// The address of its metrics.
    admin: String,
}

/// The answer to a client; a new token is in it only if the caller reads it.
pub struct Said {
    pub status: u16,
    body: Value,
}

impl Said {
    /// The status and a word for the report, never a token.
    pub fn text(&self) -> String {
        let word = self.body["code"].as_str().or_else(|| self.user());
        word.map_or_else(|| self.status.to_string(), |word| format!("{} {word}", self.status))
    }

    /// The owner of the token.
    pub fn user(&self) -> Option<&str> {
        self.body["username"].as_str()
    }

    /// The token of a login.
    ///
    /// # Errors
    /// When there was no login.
    pub fn token(&self) -> Result<String, Error> {
        match (self.status, self.body["token"].as_str()) {
            (201, Some(token)) => Ok(token.to_owned()),
            _ => Err(Error::experiment(format!("the login was answered {}", self.text()))),
        }
    }
}

impl<'a> Instance<'a> {
    /// Starts an instance with `libsql` as its `backend.libsql`. It need not be ready on return, so
    /// that several can start at once.
    ///
    /// # Errors
    /// When its file cannot be written or it cannot be started.
    pub fn start(
        stack: &'a EphemeralStack,
        name: &'static str,
        libsql: &Value,
        token: &SecretString,
    ) -> Result<Self> {
        let mut libsql = libsql.clone();
        libsql["authToken"] = json!(format!("${{{TOKEN_VARIABLE}}}"));
        let config = json!({
            "admin": "127.0.0.1:0",
            "auth": { "htpasswd": { "max_users": 8 } },
            "backend": { "libsql": libsql },
        });
        // JSON is YAML.
        let file = stack.folder().join(format!("{name}.yaml"));
        files::write_atomic(&file, config.to_string().as_bytes(), files::MODE_SECRET)?;
        let folder = stack.folder().display().to_string();
        let file = file.display().to_string();
        let arguments = [
            // Not the user's folder, whose `.env` must have no effect here.
            ["--project-dir", &folder],
            ["auth", "serve"],
            ["--config", &file],
            ["--listen", "127.0.0.1:0"],
            ["--log-format", "json"],
            // This logs a line per request, none of which may contain a secret.
            ["--log-level", "debug"],
        ];
        let arguments: Vec<String> = arguments.concat().into_iter().map(str::to_owned).collect();
        let secret = token.expose_secret().to_owned();
        let environment = BTreeMap::from([(TOKEN_VARIABLE.to_owned(), secret)]);
        stack.sidecars.start(name, &arguments, &environment)?;
        Ok(Self { stack, name, base: String::new(), admin: String::new() })
    }

    /// Waits until it logs the address it listens on.
    ///
    /// # Errors
    /// When it ends, or does not come up in time.
    pub async fn until_ready(mut self) -> Result<Self> {
        let sidecars = &self.stack.sidecars;
        let what = format!("{} logs its address", self.name);
        let (address, admin) = poll(&what, START_DEADLINE, async || {
            // The log is read first, because it may contain the address even if the instance has
            // ended.
            let lives = sidecars.lives(self.name).await?;
            match listens_on(&sidecars.log(self.name).await?) {
                Some(addresses) if lives => Ok(Attempt::Done(addresses)),
                _ if lives => Ok(Attempt::Again("its log has no address yet".to_owned())),
                _ => Err(Error::experiment(format!("{} ended early", self.name)).into()),
            }
        })
        .await?;
        self.base = format!("http://{address}");
        self.admin = format!("http://{admin}");
        Ok(self)
    }

    /// Registers a user, or logs in one that exists.
    ///
    /// # Errors
    /// When the instance does not answer; the same holds for the methods below.
    pub async fn log_in(&self, user: &str, password: &str) -> Result<Said> {
        let url = format!("{}/-/user/org.couchdb.user:{user}", self.base);
        let body = json!({ "name": user, "password": password, "type": "user" });
        self.ask(self.stack.http.put(url).json(&body)).await
    }

    /// The owner of a token.
    pub async fn whoami(&self, token: &str) -> Result<Said> {
        let url = format!("{}/-/whoami", self.base);
        self.ask(self.stack.http.get(url).bearer_auth(token)).await
    }

    /// Logs out by revoking the token with itself.
    pub async fn revoke(&self, token: &str) -> Result<Said> {
        let url = format!("{}/-/user/token/{token}", self.base);
        self.ask(self.stack.http.delete(url).bearer_auth(token)).await
    }

    /// How many lookups its embedded replica has answered.
    pub async fn local_lookups(&self) -> Result<u64> {
        let request = self.stack.http.get(format!("{}/metrics", self.admin));
        let answer = Answer::to(request, &self.admin).await?;
        let counter = "demo_auth_replica_lookups_total ";
        let value = answer.body.lines().find_map(|line| line.strip_prefix(counter));
        let value = value.and_then(|value| value.trim().parse().ok());
        value.ok_or_else(|| Error::experiment(format!("{} reports no lookups", self.name)).into())
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Said> {
        let answer = Answer::to(request, &self.base).await?;
        let body = serde_json::from_str(&answer.body).unwrap_or_default();
        Ok(Said { status: answer.status, body })
    }
}

/// The addresses for clients and for metrics, from the log, whose last line may be incomplete.
fn listens_on(log: &str) -> Option<(SocketAddr, SocketAddr)> {
    log.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let address = |key: &str| line[key].as_str()?.parse().ok();
        (line["message"] == "listening").then_some((address("address")?, address("admin")?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_a_whole_line_only() {
        let line = r#"{"level":"INFO","message":"listening","address":"127.0.0.1:40123","admin":"127.0.0.1:40124"}"#;
        let other = r#"{"level":"INFO","message":"other","address":"127.0.0.1:1"}"#;
        let log = format!("no JSON\n{other}\n{line}\n");
        let addresses = ["127.0.0.1:40123", "127.0.0.1:40124"].map(|it| it.parse().unwrap());
        assert_eq!(listens_on(&log), Some(addresses.into()));
        assert_eq!(listens_on(&log[..log.len() - 4]), None);
    }

    #[test]
    fn a_report_has_no_token() {
        let body = json!({ "ok": "user 'alice' created", "token": "demo_secret" });
        assert_eq!(Said { status: 201, body }.text(), "201");
        let body = json!({ "error": "no", "code": "wrong-password" });
        assert_eq!(Said { status: 401, body }.text(), "401 wrong-password");
    }
}
