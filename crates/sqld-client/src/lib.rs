//! Talks to one server: the Hrana and Admin interfaces over HTTP, and the `libsql` crate with its
//! embedded replicas.

pub mod admin;
pub mod connector;
pub mod embedded;
pub mod endpoint;
mod failure;
pub mod hrana;
pub mod http;
pub mod items;
pub mod replication;
pub mod schema;
pub mod sql;

use libsql::{Builder, Connection};
use secrecy::{ExposeSecret, SecretString};

use self::connector::Connector;
use self::endpoint::Endpoint;
use demo_base::error::Result;
use demo_base::exit_code::ExitCode;

pub use self::failure::{explain, of_reply as explain_reply};

/// A client for one database of one server.
pub struct Client {
    connection: Connection,
    endpoint: Endpoint,
}

impl Client {
    /// Prepares a connection; nothing is sent before the first statement.
    ///
    /// # Errors
    /// Exit 2 for an endpoint that cannot be dialled.
    pub async fn connect(endpoint: Endpoint, token: &SecretString) -> Result<Self> {
        let connector = Connector::new(&endpoint)?;
        let token = token.expose_secret().to_owned();
        let database =
            Builder::new_remote(endpoint.url(), token).connector(connector).build().await?;
        Ok(Self { connection: database.connect()?, endpoint })
    }

    /// A client on an existing connection to a copy of what is at `endpoint`.
    pub(crate) fn of(connection: Connection, endpoint: Endpoint) -> Self {
        Self { connection, endpoint }
    }

    /// The connection itself.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The endpoint that statements are sent to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The fault for an error of a write. If the token forbids a write, the crate's cursor is cut
    /// off in the middle of a 200. A harmless write through the pipeline, which `SQLite` would
    /// refuse anyway, shows whether that was the reason.
    async fn fault_of_write(&self, error: libsql::Error) -> anyhow::Error {
        if error.to_string().contains("reading a body") {
            let harmless = "UPDATE sqlite_schema SET name = name WHERE 0";
            if let Err(refusal) = self.connection.execute(harmless, ()).await {
                let refusal = explain(&refusal, &self.endpoint);
                if refusal.code() == ExitCode::Rejected {
                    return refusal.into();
                }
            }
        }
        self.fault(error)
    }

    /// The fault for an error of the crate, with the appropriate exit code.
    fn fault(&self, error: libsql::Error) -> anyhow::Error {
        explain(&error, &self.endpoint).into()
    }
}
