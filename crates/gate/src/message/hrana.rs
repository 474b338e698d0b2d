//! The requests of a pipeline or a cursor in JSON, as far as the gate knows them.
//!
//! The types of `libsql_hrana` do not serve here: they ignore unknown fields, in which the
//! gate looks for SQL too, and they copy every text and argument. The body for a replica is
//! written from these types, so that it is exactly what was judged; arguments are kept byte
//! for byte.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::{Key, Object, Slot};

/// Types of objects: for each field its key, its name, how it is read, and its type.
macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident { $($key:ident $field:ident: $slot:ident($kind:ty),)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Serialize)]
        pub struct $name<'a> {
            $(
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$kind>,
            )*
        }

        impl<'a> Object<'a> for $name<'a> {
            fn field(&mut self, key: Key) -> Slot<'_, 'a> {
                match key {
                    $(Key::$key => Slot::$slot(&mut self.$field),)*
                    _ => Slot::Unknown,
                }
            }
        }
    )*};
}

objects! {
    /// The body of a pipeline, which has requests, or of a cursor, which has a batch.
    Body {
        Requests requests: List(Vec<Request<'a>>),
        Batch batch: Object(Batch<'a>),
    }

    /// A request of any kind; its type determines which fields it may have.
    Request {
        Type r#type: Text(Cow<'a, str>),
        Stmt stmt: Object(Statement<'a>),
        Batch batch: Object(Batch<'a>),
        Sql sql: Text(Cow<'a, str>),
        SqlId sql_id: Scalar(Value),
        ReplicationIndex replication_index: Scalar(Value),
    }

    Statement {
        Sql sql: Text(Cow<'a, str>),
        SqlId sql_id: Scalar(Value),
        Args args: Arguments(&'a RawValue),
        NamedArgs named_args: Arguments(&'a RawValue),
        WantRows want_rows: Scalar(Value),
        ReplicationIndex replication_index: Scalar(Value),
    }

    /// A batch. The server uses its index, not those of its statements.
    Batch {
        Steps steps: List(Vec<Step<'a>>),
        ReplicationIndex replication_index: Scalar(Value),
    }

    Step {
        Condition condition: Object(Condition<'a>),
        Stmt stmt: Object(Statement<'a>),
    }

    /// When a step runs.
    Condition {
        Type r#type: Text(Cow<'a, str>),
        Step step: Scalar(Value),
        Cond cond: Item(Box<Condition<'a>>),
        Conds conds: List(Vec<Condition<'a>>),
    }
}
