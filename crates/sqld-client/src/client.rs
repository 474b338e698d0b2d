//! Runs statements on a server, or on the file of an embedded replica.
//!
//! A server is asked over Hrana rather than through the `libsql` crate. Of several statements the
//! crate (0.10.0) runs the first and silently drops the rest, and a write that the token forbids
//! ends its cursor in the middle of a 200, where the pipeline answers 403 (both measured).

use libsql::Connection;
use libsql_hrana::proto::{Stmt, Value};

use crate::embedded;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::hrana::{Hrana, Reply};
use crate::table::Table;

/// A client for one database.
pub struct Client {
    place: Place,
    endpoint: Endpoint,
}

enum Place {
    Server(Hrana),
    File(Connection),
}

impl Client {
    /// A client for the database of a server; nothing is sent before the first statement.
    pub fn server(hrana: Hrana, endpoint: Endpoint) -> Self {
        Self { place: Place::Server(hrana), endpoint }
    }

    /// A client for a copy of the database at `endpoint`.
    pub(crate) fn file(connection: Connection, endpoint: Endpoint) -> Self {
        Self { place: Place::File(connection), endpoint }
    }

    /// The server, also for a copy of its database.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Runs one statement with arguments and returns its rows.
    ///
    /// # Errors
    /// As the server answers; [`Error::Damaged`] for a copy that cannot be read.
    pub async fn query(&self, sql: &str, args: Vec<Value>) -> Result<Table, Error> {
        match &self.place {
            Place::Server(hrana) => {
                let stmt = Stmt { args, ..Stmt::new(sql, true) };
                self.of_server(&hrana.statement(stmt).await?)
            }
            Place::File(connection) => self.of_file(embedded::query(connection, sql, args).await),
        }
    }

    /// Runs any SQL and returns the rows of a single statement. Several statements run as a script
    /// that stops at the first error and returns no rows.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn run(&self, sql: &str) -> Result<Table, Error> {
        let hrana = match &self.place {
            Place::Server(hrana) => hrana,
            Place::File(connection) => return self.of_file(embedded::run(connection, sql).await),
        };
        let reply = hrana.execute(sql).await?;
        // The server reports this before it runs any of them.
        if reply.sql_error().is_some_and(|(code, _)| code == "SQL_MANY_STATEMENTS") {
            let reply = hrana.script(sql).await?;
            return reply.error(&self.endpoint).map_or_else(|| Ok(Table::default()), Err);
        }
        self.of_server(&reply)
    }

    fn of_file(&self, outcome: libsql::Result<Table>) -> Result<Table, Error> {
        outcome.map_err(|error| Error::of_crate(&error, &self.endpoint))
    }

    fn of_server(&self, reply: &Reply) -> Result<Table, Error> {
        if let Some(error) = reply.error(&self.endpoint) {
            return Err(error);
        }
        reply.execution().map(Table::from).ok_or_else(|| Error::UnusableAnswer {
            server: self.endpoint.describe(),
            what: reply.describe(),
            source: None,
        })
    }
}
