//! What the probes of the `libsql` crate share.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use libsql::{Builder, Database, Value};
use secrecy::{ExposeSecret, SecretString};

use crate::{Error, ProbeContext};
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::connector::Connector;
use demo_sqld_client::endpoint::Endpoint;
use demo_sqld_client::hrana::Hrana;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;

/// How a client of the crate is opened.
#[derive(Clone)]
pub struct Opening {
    pub url: String,
    pub token: SecretString,
    /// For the builder's own `.namespace()`.
    pub namespace: Option<NamespaceName>,
    /// The crate's default is `true`.
    pub read_your_writes: bool,
    /// How often the crate syncs by itself, if at all.
    pub sync_interval: Option<Duration>,
}

impl Opening {
    /// With a token for everything.
    pub fn of(stack: &EphemeralStack, url: String) -> Result<Self> {
        let token = stack.full_token()?;
        Ok(Self { url, token, namespace: None, read_your_writes: true, sync_interval: None })
    }

    /// The same with the builder's `.namespace()`.
    pub fn namespace(self, name: &NamespaceName) -> Self {
        Self { namespace: Some(name.clone()), ..self }
    }

    /// The same with another token.
    pub fn token(self, token: SecretString) -> Self {
        Self { token, ..self }
    }

    fn connector(&self) -> Result<Connector> {
        Ok(Connector::new(&Endpoint::parse(&self.url, None)?)?)
    }

    fn bearer(&self) -> String {
        self.token.expose_secret().to_owned()
    }

    /// A client that keeps nothing.
    pub async fn remote(&self) -> Result<Database> {
        let builder = Builder::new_remote(self.url.clone(), self.bearer());
        let builder = builder.connector(self.connector()?);
        Ok(match &self.namespace {
            None => builder.build().await?,
            Some(name) => builder.namespace(name.as_str()).build().await?,
        })
    }

    /// An embedded replica in `file`; the inner error is the crate's.
    pub async fn replica(&self, file: &Path) -> Result<libsql::Result<Database>> {
        let builder = Builder::new_remote_replica(file, self.url.clone(), self.bearer());
        let mut builder =
            builder.connector(self.connector()?).read_your_writes(self.read_your_writes);
        if let Some(interval) = self.sync_interval {
            builder = builder.sync_interval(interval);
        }
        Ok(match &self.namespace {
            None => builder.build().await,
            Some(name) => builder.namespace(name.as_str()).build().await,
        })
    }
}

/// The URL of a service, by number as compose publishes it.
pub fn by_number(stack: &EphemeralStack, service: &str) -> Result<String> {
    Ok(format!("http://{}", stack.address(service, Interface::Http)?))
}

/// The URL of a service, by `host`; the connector dials loopback.
pub fn by_name(stack: &EphemeralStack, service: &str, host: &str) -> Result<String> {
    Ok(format!("http://{host}:{}", stack.address(service, Interface::Http)?.port()))
}

/// A new namespace whose table `t` has the one row `first`.
pub async fn filled(
    context: &ProbeContext<'_>,
    stack: &EphemeralStack,
    word: &str,
) -> Result<NamespaceName> {
    let name = context.namespace(stack, word).await?;
    let primary = stack.hrana("primary", Some(&name))?;
    run(&primary, "CREATE TABLE t (x)").await?;
    run(&primary, "INSERT INTO t VALUES ('first')").await?;
    Ok(name)
}

/// Runs what must work for a probe to go on.
pub async fn run(server: &Hrana, sql: &str) -> Result<()> {
    let reply = server.execute(sql).await?;
    if reply.succeeded() {
        return Ok(());
    }
    Err(Error::experiment_saw(format!("`{sql}` did not work"), reply.describe()).into())
}

/// All values of the first column, in their order: `first, second`.
pub async fn read(database: &Database, sql: &str) -> libsql::Result<String> {
    let mut rows = database.connect()?.query(sql, ()).await?;
    let mut values = Vec::new();
    while let Some(row) = rows.next().await? {
        values.push(match row.get_value(0)? {
            Value::Text(text) => text,
            Value::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        });
    }
    Ok(values.join(", "))
}

/// The rows of the table that [`filled`] makes.
pub async fn rows(database: &Database) -> libsql::Result<String> {
    read(database, "SELECT x FROM t ORDER BY rowid").await
}

/// Runs a statement with the crate's `execute`.
pub async fn write(database: &Database, sql: &str) -> libsql::Result<u64> {
    database.connect()?.execute(sql, ()).await
}

/// How many frames a `sync()` brought.
pub async fn sync(database: &Database) -> libsql::Result<usize> {
    Ok(database.sync().await?.frames_synced())
}

/// An outcome as a person reads it.
pub fn told<T: Display>(outcome: &libsql::Result<T>) -> String {
    match outcome {
        Ok(value) => value.to_string(),
        Err(error) => format!("error `{error}`"),
    }
}

/// Whether the outcome is exactly this text.
pub fn is(outcome: &libsql::Result<String>, text: &str) -> bool {
    outcome.as_ref().is_ok_and(|value| value == text)
}

/// Whether the outcome is an error with this text.
pub fn says<T>(outcome: &libsql::Result<T>, text: &str) -> bool {
    outcome.as_ref().is_err_and(|error| error.to_string().contains(text))
}
