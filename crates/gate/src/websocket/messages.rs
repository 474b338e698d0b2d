//! Reads the messages of a WebSocket as far as the gate must understand them, and writes the
//! gate's own answers. Requests are read as the server reads them (`hrana/ws/proto.rs` of
//! sqld 0.24.32), without the arguments, which are never SQL.

use std::borrow::Cow;

use prost::Message as _;
use serde::Deserialize;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::paths::Encoding;
use crate::protobuf::{self, Field, nested};

/// A message of a client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Said {
    /// A hello, with its token, if any.
    Hello(Option<String>),
    Request(Request),
}

/// A request of a client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    pub id: i32,
    pub kind: Kind,
}

/// The kind of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    OpenStream(i32),
    CloseStream(i32),
    /// Execute, batch, describe: any request that runs on a stream.
    Run {
        stream: i32,
        sql: Vec<Sql>,
    },
    OpenCursor {
        stream: i32,
        cursor: i32,
        sql: Vec<Sql>,
    },
    CloseCursor(i32),
    FetchCursor(i32),
    StoreSql {
        id: i32,
        sql: String,
    },
    CloseSql(i32),
}

/// One statement: its text, or the id under which it was stored.
#[derive(Clone, Deserialize, Eq, PartialEq, prost::Message)]
pub struct Sql {
    #[serde(rename = "sql")]
    #[prost(string, optional, tag = "1")]
    pub text: Option<String>,
    #[serde(rename = "sql_id")]
    #[prost(int32, optional, tag = "2")]
    pub id: Option<i32>,
}

/// Reads `message`; `None` when it is not one that the server knows.
pub fn read(encoding: Encoding, message: &[u8]) -> Option<Said> {
    match encoding {
        Encoding::Json => from_json(message),
        Encoding::Protobuf => from_protobuf(message),
    }
}

/// A hello or a request; its type says which.
#[derive(Deserialize)]
struct Outer<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    jwt: Option<String>,
    request_id: Option<i32>,
    #[serde(borrow)]
    request: Option<Inner<'a>>,
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    stream_id: Option<i32>,
    cursor_id: Option<i32>,
    sql_id: Option<i32>,
    sql: Option<String>,
    stmt: Option<Sql>,
    batch: Option<Batch>,
}

#[derive(Deserialize, prost::Message)]
struct Batch {
    #[prost(message, repeated, tag = "1")]
    steps: Vec<Step>,
}

#[derive(Deserialize, prost::Message)]
struct Step {
    #[prost(message, required, tag = "2")]
    stmt: Sql,
}

impl Batch {
    fn sql(self) -> Vec<Sql> {
        self.steps.into_iter().map(|step| step.stmt).collect()
    }
}

fn from_json(message: &[u8]) -> Option<Said> {
    // A duplicate key is an error, as it is for the server.
    let outer: Outer<'_> = serde_json::from_slice(message).ok()?;
    let (id, inner) = match &*outer.kind {
        "hello" => return Some(Said::Hello(outer.jwt)),
        "request" => (outer.request_id?, outer.request?),
        _ => return None,
    };
    let text = Sql { text: inner.sql.clone(), id: inner.sql_id };
    let (stream, cursor) = (inner.stream_id, inner.cursor_id);
    let kind = match &*inner.kind {
        "open_stream" => Kind::OpenStream(stream?),
        "close_stream" => Kind::CloseStream(stream?),
        "execute" => Kind::Run { stream: stream?, sql: vec![inner.stmt?] },
        "batch" => Kind::Run { stream: stream?, sql: inner.batch?.sql() },
        "sequence" | "describe" => Kind::Run { stream: stream?, sql: vec![text] },
        "get_autocommit" => Kind::Run { stream: stream?, sql: Vec::new() },
        "open_cursor" => {
            Kind::OpenCursor { stream: stream?, cursor: cursor?, sql: inner.batch?.sql() }
        }
        "close_cursor" => Kind::CloseCursor(cursor?),
        "fetch_cursor" => Kind::FetchCursor(cursor?),
        "store_sql" => Kind::StoreSql { id: inner.sql_id?, sql: inner.sql? },
        "close_sql" => Kind::CloseSql(inner.sql_id?),
        _ => return None,
    };
    Some(Said::Request(Request { id, kind }))
}

/// A message that names a request, a stream, a cursor or an SQL text.
#[derive(prost::Message)]
struct Number {
    #[prost(int32, tag = "1")]
    number: i32,
}

#[derive(prost::Message)]
struct Execute {
    #[prost(int32, tag = "1")]
    stream_id: i32,
    #[prost(message, required, tag = "2")]
    stmt: Sql,
}

#[derive(prost::Message)]
struct RunBatch {
    #[prost(int32, tag = "1")]
    stream_id: i32,
    #[prost(message, required, tag = "2")]
    batch: Batch,
}

#[derive(prost::Message)]
struct OpenCursor {
    #[prost(int32, tag = "1")]
    stream_id: i32,
    #[prost(int32, tag = "2")]
    cursor_id: i32,
    #[prost(message, required, tag = "3")]
    batch: Batch,
}

#[derive(prost::Message)]
struct Text {
    #[prost(int32, tag = "1")]
    stream_id: i32,
    #[prost(string, optional, tag = "2")]
    sql: Option<String>,
    #[prost(int32, optional, tag = "3")]
    sql_id: Option<i32>,
}

#[derive(prost::Message)]
struct Store {
    #[prost(int32, tag = "1")]
    sql_id: i32,
    #[prost(string, tag = "2")]
    sql: String,
}

fn from_protobuf(message: &[u8]) -> Option<Said> {
    // Exactly one field each: a parser would merge several, or take the last one.
    let mut fields = protobuf::fields(message);
    let (Some(whole), None) = (fields.next()?, fields.next()) else { return None };
    match (whole.number, whole.content?) {
        (1, content) => {
            let mut token = None;
            for field in protobuf::fields(content) {
                let field = field?;
                if field.number == 1 {
                    let text = String::from_utf8(field.content?.to_vec()).ok()?;
                    if token.replace(text).is_some() {
                        return None;
                    }
                }
            }
            Some(Said::Hello(token))
        }
        (2, content) => protobuf_request(content).map(Said::Request),
        _ => None,
    }
}

fn protobuf_request(message: &[u8]) -> Option<Request> {
    let (mut id, mut request) = (None, None);
    for field in protobuf::fields(message) {
        let field = field?;
        match (field.number, field.content) {
            (1, None) if id.is_none() => id = Some(int32(&field)?),
            (2..=13, Some(content)) if request.is_none() => {
                request = Some((field.number, content));
            }
            (1..=13, _) => return None,
            // The server skips unknown fields.
            _ => {}
        }
    }
    let (number, content) = request?;
    let one = || Number::decode(content).ok().map(|it| it.number);
    let kind = match number {
        2 => Kind::OpenStream(one()?),
        3 => Kind::CloseStream(one()?),
        4 => {
            let Execute { stream_id: stream, stmt } = Execute::decode(content).ok()?;
            Kind::Run { stream, sql: vec![stmt] }
        }
        5 => {
            let RunBatch { stream_id: stream, batch } = RunBatch::decode(content).ok()?;
            Kind::Run { stream, sql: batch.sql() }
        }
        6 => {
            let OpenCursor { stream_id: stream, cursor_id: cursor, batch } =
                OpenCursor::decode(content).ok()?;
            Kind::OpenCursor { stream, cursor, sql: batch.sql() }
        }
        7 => Kind::CloseCursor(one()?),
        8 => Kind::FetchCursor(one()?),
        9 | 10 => {
            let Text { stream_id: stream, sql, sql_id } = Text::decode(content).ok()?;
            Kind::Run { stream, sql: vec![Sql { text: sql, id: sql_id }] }
        }
        11 => {
            let Store { sql_id: id, sql } = Store::decode(content).ok()?;
            Kind::StoreSql { id, sql }
        }
        12 => Kind::CloseSql(one()?),
        13 => Kind::Run { stream: one()?, sql: Vec::new() },
        _ => return None,
    };
    Some(Request { id: id.unwrap_or_default(), kind })
}

/// The `int32` in a field. Longer numbers are truncated, as the server does it.
fn int32(field: &Field<'_>) -> Option<i32> {
    let low = u32::try_from(field.value? & u64::from(u32::MAX)).ok()?;
    Some(i32::from_ne_bytes(low.to_ne_bytes()))
}

/// What a message of the server is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum About {
    /// The hello was accepted or refused.
    Hello,
    /// The answer to this request.
    Request(i32),
}

/// What `message` of the server is about, if the gate can read it.
pub fn about(encoding: Encoding, message: &[u8]) -> Option<About> {
    match encoding {
        Encoding::Json => {
            #[derive(Deserialize)]
            struct Answer {
                request_id: Option<i32>,
            }
            let answer: Answer = serde_json::from_slice(message).ok()?;
            Some(answer.request_id.map_or(About::Hello, About::Request))
        }
        Encoding::Protobuf => {
            let field = protobuf::fields(message).next()??;
            if field.number < 3 {
                return Some(About::Hello);
            }
            let mut inner = protobuf::fields(field.content?);
            let id = inner.find(|field| field.is_none_or(|field| field.number == 1));
            // Protobuf leaves out a zero.
            Some(About::Request(id.map_or(Some(0), |id| int32(&id?))?))
        }
    }
}

#[derive(prost::Message)]
struct ResponseError {
    #[prost(int32, tag = "1")]
    request_id: i32,
    #[prost(message, required, tag = "2")]
    error: libsql_hrana::proto::Error,
}

/// The answer to request `id`, which failed.
pub fn error(encoding: Encoding, id: i32, code: &str, message: &str) -> Message {
    match encoding {
        Encoding::Json => {
            let error = json!({ "message": message, "code": code });
            let answer = json!({ "type": "response_error", "request_id": id, "error": error });
            Message::text(answer.to_string())
        }
        Encoding::Protobuf => {
            let (message, code) = (message.to_owned(), code.to_owned());
            let error = libsql_hrana::proto::Error { message, code };
            Message::binary(nested(4, &ResponseError { request_id: id, error }.encode_to_vec()))
        }
    }
}

/// What a request can close.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closed {
    Stream,
    Cursor,
    Sql,
}

/// The answer to request `id`, which closed something.
pub fn closed(encoding: Encoding, id: i32, what: Closed) -> Message {
    let (name, tag) = match what {
        Closed::Stream => ("close_stream", 3),
        Closed::Cursor => ("close_cursor", 7),
        Closed::Sql => ("close_sql", 12),
    };
    match encoding {
        Encoding::Json => {
            let response = json!({ "type": name });
            let answer = json!({ "type": "response_ok", "request_id": id, "response": response });
            Message::text(answer.to_string())
        }
        Encoding::Protobuf => {
            let mut answer = Number { number: id }.encode_to_vec();
            protobuf::push(&mut answer, tag, b"");
            Message::binary(nested(3, &answer))
        }
    }
}

/// A request of the gate itself to close `stream`.
pub fn close_stream(encoding: Encoding, id: i32, stream: i32) -> Message {
    match encoding {
        Encoding::Json => {
            let request = json!({ "type": "close_stream", "stream_id": stream });
            let whole = json!({ "type": "request", "request_id": id, "request": request });
            Message::text(whole.to_string())
        }
        Encoding::Protobuf => {
            let mut request = Number { number: id }.encode_to_vec();
            protobuf::push(&mut request, 3, &Number { number: stream }.encode_to_vec());
            Message::binary(nested(2, &request))
        }
    }
}

#[cfg(test)]
mod tests;
