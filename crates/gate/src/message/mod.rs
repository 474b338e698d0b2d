//! Understands the body of a request, once. Inspection, streams, routing and forwarding
//! share the result, and none of them reads the body again.
//!
//! ```text
//! endpoint, body --> json, protobuf --> each SQL text: sql judges it
//!                                   --> Message: statements, stream, requests or call
//! ```

pub mod hrana;

mod json;
mod protobuf;

use self::hrana::Body;
use super::grpc::{self, Call};
use super::paths::{Encoding, Endpoint};
use super::rights::Right;
use super::sql;
use super::streams::{self, StreamId};
use demo_service::problem::Problem;

/// The error code of [`Refusal::Sql`].
pub const SQL_FORBIDDEN: &str = "sql-forbidden";

/// Why a request may not pass.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Its SQL does something that the token does not allow, or that is never allowed.
    #[error("{0}; if it is data, send it as an argument")]
    Sql(sql::Refusal),
    /// It cannot be read the way the server would read it.
    #[error("{0}")]
    Malformed(&'static str),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Sql(_) => Self::forbidden(SQL_FORBIDDEN, refusal.to_string()),
            Refusal::Malformed(said) => Self::bad_request("body-invalid", said),
        }
    }
}

/// A request that may pass, as far as its SQL is concerned.
#[derive(Debug)]
pub struct Message<'a> {
    /// How many statements it has.
    pub statements: u32,
    pub content: Content<'a>,
}

/// What the gate must know about a request.
#[derive(Debug)]
pub enum Content<'a> {
    /// It runs no statement: it has no body, or copies the log.
    Inert,
    /// Statements without a stream: Hrana 1 and what came before it.
    Stateless,
    Stream(Stream<'a>),
    /// A call that runs statements on the primary.
    Call(Call<'a>),
}

/// A pipeline or a cursor.
#[derive(Debug)]
pub struct Stream<'a> {
    pub encoding: Encoding,
    pub cursor: bool,
    /// The stream that it continues; `None` when it opens one.
    pub id: Option<StreamId>,
    /// What it asks for, if it is JSON with nothing in it that the gate does not know.
    pub body: Option<Body<'a>>,
}

impl Content<'_> {
    /// What routing must know, without a borrow of the body; `None` when requests are kept,
    /// which borrow it. A call that has been rewritten is routed like any other statements
    /// without a stream.
    pub fn detached(&self) -> Option<Content<'static>> {
        match *self {
            Self::Inert => Some(Content::Inert),
            Self::Stateless | Self::Call(_) => Some(Content::Stateless),
            Self::Stream(Stream { encoding, cursor, id, body: None }) => {
                Some(Content::Stream(Stream { encoding, cursor, id, body: None }))
            }
            Self::Stream(Stream { body: Some(_), .. }) => None,
        }
    }
}

impl<'a> Message<'a> {
    /// Reads the body of a request for `endpoint`, and judges its SQL for a client with
    /// `right`. The requests of a JSON body are kept if it has at most `kept` bytes.
    ///
    /// # Errors
    /// When its SQL may not run, or the body is not valid.
    pub fn parse(
        endpoint: Endpoint,
        body: &'a [u8],
        right: Right,
        kept: usize,
    ) -> Result<Self, Refusal> {
        let mut sql = Inspection { right, statements: 0 };
        let content = match endpoint {
            Endpoint::Version => Content::Inert,
            Endpoint::Replication { .. } => grpc::message(body).map(|_| Content::Inert)?,
            Endpoint::Root | Endpoint::Stateless => {
                json::stateless(body, &mut sql).map(|()| Content::Stateless)?
            }
            Endpoint::Pipeline(encoding) | Endpoint::Cursor(encoding) => {
                let cursor = matches!(endpoint, Endpoint::Cursor(_));
                let (baton, body) = match encoding {
                    Encoding::Json => json::stream(body, &mut sql, kept)?,
                    Encoding::Protobuf => (protobuf::stream(cursor, body, &mut sql)?, None),
                };
                let id = baton.as_deref().map(streams::continued).transpose()?;
                Content::Stream(Stream { encoding, cursor, id, body })
            }
            Endpoint::Proxy(call) => Content::Call(protobuf::call(call, body, &mut sql)?),
        };
        Ok(Self { statements: sql.statements, content })
    }
}

/// Checks one SQL text from a client with `right`, and counts its statements.
///
/// # Errors
/// [`Refusal::Sql`].
pub fn judge(text: &str, right: Right) -> Result<u32, Refusal> {
    sql::judge(text.as_bytes(), right == Right::Write).map_err(Refusal::Sql)
}

/// The sum over all SQL texts of one request.
struct Inspection {
    right: Right,
    statements: u32,
}

impl Inspection {
    /// Judges `text`, and adds its statements if it `counts`.
    fn add(&mut self, text: &str, counts: bool) -> Result<(), Refusal> {
        let statements = judge(text, self.right)? * u32::from(counts);
        self.statements = self.statements.saturating_add(statements);
        Ok(())
    }

    fn add_some(&mut self, text: Option<&String>) -> Result<(), Refusal> {
        text.map_or(Ok(()), |text| self.add(text, true))
    }
}

#[cfg(test)]
mod tests;
