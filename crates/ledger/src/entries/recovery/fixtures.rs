//! What the probes of damage share: files of a namespace, servers that may not come up,
//! streams that stay open.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use reqwest::{Method, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::{Engines, Error, ProbeContext};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::hrana::Reply;
use demo_sqld_client::http::{Answer, host_header};
use demo_stack::engine::ServiceState;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::blueprint::Variants;
use demo_stack::plan::{Interface, ServicePlan};

/// A server is up, or has given up, well within this.
const BOOT_DEADLINE: Duration = Duration::from_secs(6);

/// Probes that change the server's files.
pub const ON_FILES: Engines = Engines::NativeOnly(
    "it changes the server's own files, which inside a container belong to another user",
);

/// What came of a start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Boot {
    Ready,
    /// It ended before it was ready.
    Ended,
}

/// A throw-away primary with these flags more.
pub async fn primary_with(
    context: &ProbeContext<'_>,
    flags: &[&str],
) -> Result<Rc<EphemeralStack>> {
    context
        .primary(|plan| {
            for service in &mut plan.services {
                service.command.extend(flags.iter().map(|flag| (*flag).to_owned()));
            }
            Ok(())
        })
        .await
}

/// A throw-away primary with namespaces, the default one among them.
pub async fn primary_with_default(context: &ProbeContext<'_>) -> Result<Rc<EphemeralStack>> {
    context
        .primary(|plan| {
            for service in &mut plan.services {
                service.command.retain(|word| word != "--disable-default-namespace");
            }
            Ok(())
        })
        .await
}

/// A throw-away primary without namespaces.
pub async fn single(context: &ProbeContext<'_>) -> Result<Rc<EphemeralStack>> {
    context
        .own(Variants::DEFAULT, |plan, _| {
            plan.services.retain(|service| service.name == "primary");
            Ok(())
        })
        .await
}

/// The folder that the primary was given for its data, on this machine.
pub fn data_dir(stack: &EphemeralStack) -> Result<PathBuf> {
    let service = stack.service("primary")?;
    let inside = service.environment.get("SQLD_DB_PATH").map(String::as_str).unwrap_or_default();
    let mount = service.mounts.iter().find(|mount| inside.starts_with(&mount.target));
    let mount = mount.ok_or_else(|| Error::layout("the primary keeps its data in no mount"))?;
    let rest = inside[mount.target.len()..].trim_start_matches('/');
    Ok(mount.source.join(rest))
}

/// The folder of a namespace of the primary's.
pub fn folder_of(stack: &EphemeralStack, name: &str) -> Result<PathBuf> {
    Ok(data_dir(stack)?.join("dbs").join(name))
}

/// The `default` namespace's name.
pub fn default_name() -> Result<NamespaceName> {
    Ok("default".parse()?)
}

/// Starts the primary, which is stopped, with `change` made in its plan.
pub async fn boot_with(
    stack: &EphemeralStack,
    change: impl FnOnce(&mut ServicePlan),
) -> Result<Boot> {
    let mut plan = stack.plan.clone();
    if let Some(service) = plan.services.iter_mut().find(|service| service.name == "primary") {
        change(service);
    }
    let service = plan.service("primary")?;
    stack.engine.start(&plan, service).await?;
    let address = stack.address("primary", Interface::Http)?;
    poll("the primary is ready or has ended", BOOT_DEADLINE, async || {
        if stack.engine.state("primary").await? == ServiceState::Stopped {
            return Ok(Attempt::Done(Boot::Ended));
        }
        let health = stack.http.get(format!("http://{address}/health")).send().await;
        if !health.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(Attempt::Again("no answer".to_owned()));
        }
        Ok(match stack.engine.is_healthy(service).await? {
            Some(why) => Attempt::Again(why),
            None => Attempt::Done(Boot::Ready),
        })
    })
    .await
}

/// Starts the primary, which is stopped, as it was planned.
pub async fn boot(stack: &EphemeralStack) -> Result<Boot> {
    boot_with(stack, |_| ()).await
}

/// Whether the primary still runs after `limit`, or ends before.
pub async fn ends(stack: &EphemeralStack, limit: Duration) -> Result<bool> {
    let gone = poll("the primary has ended", limit, async || {
        Ok(match stack.engine.state("primary").await? {
            ServiceState::Stopped => Attempt::Done(()),
            ServiceState::Running(_) => Attempt::Again("it runs".to_owned()),
        })
    });
    Ok(gone.await.is_ok())
}

/// The first line of the primary's log that has `word` in it.
pub async fn log_line(stack: &EphemeralStack, word: &str) -> Result<String> {
    let log = stack.engine.logs("primary", None).await?;
    let line = log.lines().find(|line| line.contains(word));
    Ok(line.map_or_else(|| format!("no line with `{word}`"), str::to_owned))
}

/// A POST to the Admin API.
pub async fn post(stack: &EphemeralStack, route: &str, body: &Value) -> Result<Answer> {
    let path = format!("/v1/namespaces/{route}");
    Ok(stack.admin()?.raw(Method::POST, &path, Some(body)).await?)
}

/// Makes a namespace with this configuration.
pub async fn create(stack: &EphemeralStack, name: &NamespaceName, body: &Value) -> Result<Answer> {
    post(stack, &format!("{name}/create"), body).await
}

/// A GET of the primary's HTTP interface, as the holder of a full token.
pub async fn get(stack: &EphemeralStack, name: &NamespaceName, path: &str) -> Result<Answer> {
    let address = stack.address("primary", Interface::Http)?;
    let token = stack.full_token()?;
    let request = stack
        .http
        .get(format!("http://{address}{path}"))
        .header(header::HOST, host_header(Some(name), address))
        .bearer_auth(token.expose_secret());
    Ok(Answer::to(request, &format!("http://{address}")).await?)
}

/// Runs statements on the primary that must succeed.
pub async fn given(stack: &EphemeralStack, name: &NamespaceName, sql: &[&str]) -> Result<()> {
    let hrana = stack.hrana("primary", Some(name))?;
    for statement in sql {
        let reply = hrana.execute(statement).await?;
        if !reply.succeeded() {
            return Err(Error::experiment_saw(
                format!("`{statement}` did not run"),
                reply.describe(),
            )
            .into());
        }
    }
    Ok(())
}

/// One statement on the primary, whatever comes of it.
pub async fn ask(stack: &EphemeralStack, name: &NamespaceName, sql: &str) -> Result<Reply> {
    Ok(stack.hrana("primary", Some(name))?.execute(sql).await?)
}

/// An answer in a word that is the same in every run.
pub fn outcome(reply: &Reply) -> String {
    match reply.sql_error() {
        Some((code, _)) => format!("{} with {code}", reply.status),
        None => reply.status.to_string(),
    }
}

/// A Hrana stream that stays open between requests.
pub struct Stream {
    http: reqwest::Client,
    url: String,
    host: String,
    token: SecretString,
    baton: Option<String>,
}

impl Stream {
    /// On a namespace of the primary's; nothing is sent yet.
    pub fn new(stack: &EphemeralStack, name: &NamespaceName) -> Result<Self> {
        let address = stack.address("primary", Interface::Http)?;
        Ok(Self {
            http: stack.http.clone(),
            url: format!("http://{address}/v3/pipeline"),
            host: host_header(Some(name), address),
            token: stack.full_token()?,
            baton: None,
        })
    }

    /// Runs one statement and keeps the stream open. Returns `ok`, an SQL error's code, or
    /// the HTTP status.
    pub async fn execute(&mut self, sql: &str) -> Result<(String, Answer)> {
        let statement = json!({ "type": "execute", "stmt": { "sql": sql } });
        let request = self
            .http
            .post(&self.url)
            .header(header::HOST, &self.host)
            .bearer_auth(self.token.expose_secret())
            .json(&json!({ "baton": self.baton, "requests": [statement] }));
        let answer = Answer::to(request, &self.url).await?;
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        self.baton = body["baton"].as_str().map(str::to_owned);
        let result = &body["results"][0];
        let word = match (answer.status, result["type"].as_str()) {
            (200, Some("ok")) => "ok".to_owned(),
            (200, _) => result["error"]["code"].as_str().unwrap_or("no code").to_owned(),
            (status, _) => status.to_string(),
        };
        Ok((word, answer))
    }
}
