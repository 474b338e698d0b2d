//! Classifies requests: which server may answer, and what the answer will show.

use serde_json::Value;

use super::sql;
use crate::message::Content;
use crate::message::hrana::{Batch, Body, Request, Statement};

/// The requests of a larger body are not kept, and go to the primary.
pub const READABLE_BYTES: usize = 1 << 20;

/// Which server may answer.
pub enum Class<'a> {
    /// Any server that has reached the required index.
    Replica(Reads<'a>),
    /// Only the primary.
    Primary(Effect),
}

/// What a request to the primary does to its namespace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Effect {
    pub writes: Writes,
    /// The request opens its own stream, so its answer shows no index from before it
    /// was sent.
    pub fresh: bool,
}

/// Whether a request writes, and whether its answer shows the index after it. Several
/// requests do the most that one of them does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Writes {
    /// It certainly writes nothing.
    Nothing,
    /// It may write, and an answer without an error shows the index.
    Shown,
    /// It may write, and the answer does not show the index.
    Unseen,
}

impl Effect {
    /// The effect of a request that the gate does not understand.
    pub const UNKNOWN: Self = Self { writes: Writes::Unseen, fresh: false };
    /// The effect of a request that touches no database, such as `GET /v2`.
    pub const NONE: Self = Self { writes: Writes::Nothing, fresh: false };
}

/// Classifies a request.
pub fn class<'a>(content: &'a Content<'a>) -> Class<'a> {
    let stream = match content {
        Content::Inert => return Class::Primary(Effect::NONE),
        Content::Stream(stream) => stream,
        Content::Stateless | Content::Call(_) => return Class::Primary(Effect::UNKNOWN),
    };
    let fresh = stream.id.is_none();
    match &stream.body {
        Some(Body { requests, batch: None }) if !stream.cursor => {
            let requests = requests.as_deref().unwrap_or_default();
            if fresh && is_self_contained(requests) {
                return Class::Replica(Reads { requests });
            }
            let writes = requests.iter().map(effect).max().unwrap_or(Writes::Nothing);
            Class::Primary(Effect { writes, fresh })
        }
        // A cursor leaves a stream open on the server that answers it (measured on sqld
        // 0.24.32), so it always goes to the primary.
        Some(Body { requests: None, batch: Some(batch) }) if stream.cursor && only_reads(batch) => {
            Class::Primary(Effect { writes: Writes::Nothing, fresh })
        }
        _ => Class::Primary(Effect::UNKNOWN),
    }
}

/// Whether there are only reads, with a `close` at the end and nowhere else.
fn is_self_contained(requests: &[Request<'_>]) -> bool {
    let Some((last, reads)) = requests.split_last() else { return false };
    let bare = |request: &Request<'_>| {
        request.sql.is_none() && request.sql_id.is_none() && request.replication_index.is_none()
    };
    let read = |request: &Request<'_>| {
        bare(request)
            && match (kind(request), &request.stmt, &request.batch) {
                ("execute", Some(stmt), None) => is_read(stmt),
                ("batch", None, Some(batch)) => {
                    batch.steps.as_ref().is_some_and(|steps| !steps.is_empty()) && only_reads(batch)
                }
                _ => false,
            }
    };
    let closes = kind(last) == "close" && bare(last) && last.stmt.is_none() && last.batch.is_none();
    closes && !reads.is_empty() && reads.iter().all(read)
}

fn kind<'a>(request: &'a Request<'_>) -> &'a str {
    request.r#type.as_deref().unwrap_or_default()
}

fn is_read(stmt: &Statement<'_>) -> bool {
    stmt.sql_id.is_none() && stmt.sql.as_deref().is_some_and(sql::only_reads)
}

fn only_reads(batch: &Batch<'_>) -> bool {
    batch.steps.iter().flatten().all(|step| step.stmt.as_ref().is_some_and(is_read))
}

fn effect(request: &Request<'_>) -> Writes {
    match (kind(request), &request.stmt, &request.batch) {
        ("close" | "describe" | "get_autocommit" | "store_sql" | "close_sql", None, None) => {
            Writes::Nothing
        }
        ("execute", Some(stmt), None) if is_read(stmt) => Writes::Nothing,
        ("batch", None, Some(batch)) if only_reads(batch) => Writes::Nothing,
        ("execute", Some(_), None) | ("batch", None, Some(_)) => Writes::Shown,
        // `sequence` answers without an index.
        _ => Writes::Unseen,
    }
}

/// A pipeline that any server may answer.
pub struct Reads<'a> {
    requests: &'a [Request<'a>],
}

impl Reads<'_> {
    /// How many indexes an answer without an error shows: one per `execute` and `batch`.
    pub fn answers(&self) -> usize {
        self.requests.len() - 1
    }

    /// The highest index that the client itself wants to wait for; 0 for none.
    pub fn asked_index(&self) -> u64 {
        let own = |request: &Request<'_>| {
            let stmt = request.stmt.as_ref().and_then(|stmt| stmt.replication_index.as_ref());
            let batch = request.batch.as_ref().and_then(|batch| batch.replication_index.as_ref());
            stmt.or(batch).map(index)
        };
        self.requests.iter().filter_map(own).max().unwrap_or(0)
    }

    /// The body that makes a replica wait until it has `index`.
    ///
    /// # Errors
    /// Never, for a body that was read from JSON.
    pub fn waiting_for(&self, index: u64) -> serde_json::Result<Vec<u8>> {
        let mut requests = self.requests.to_vec();
        for request in &mut requests {
            if let Some(stmt) = &mut request.stmt {
                stmt.replication_index = Some(index.to_string().into());
            }
            if let Some(batch) = &mut request.batch {
                batch.replication_index = Some(index.to_string().into());
            }
        }
        serde_json::to_vec(&Body { requests: Some(requests), batch: None })
    }
}

/// A replication index: a string in JSON, but the server accepts a number as well. No
/// server has reached one that is neither.
fn index(value: &Value) -> u64 {
    let number = value.as_str().map_or_else(|| value.as_u64(), |text| text.parse().ok());
    number.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::message::Message;
    use crate::paths::{Encoding, Endpoint};
    use crate::rights::Right;

    const PIPELINE: Endpoint = Endpoint::Pipeline(Encoding::Json);

    /// What `of` says about the class of `body`.
    fn with<T>(endpoint: Endpoint, body: &[u8], of: impl FnOnce(Class<'_>) -> T) -> T {
        match Message::parse(endpoint, body, Right::Write, READABLE_BYTES) {
            Ok(message) => of(class(&message.content)),
            Err(_) => of(Class::Primary(Effect::UNKNOWN)),
        }
    }

    fn primary(class: Class<'_>) -> Effect {
        match class {
            Class::Primary(effect) => effect,
            Class::Replica(_) => panic!("a replica may answer"),
        }
    }

    fn replica(class: Class<'_>) -> Reads<'_> {
        match class {
            Class::Replica(reads) => reads,
            Class::Primary(effect) => panic!("only the primary may answer: {effect:?}"),
        }
    }

    fn reads(body: &Value) -> bool {
        with(PIPELINE, body.to_string().as_bytes(), |class| matches!(class, Class::Replica(_)))
    }

    fn at_primary(body: &Value) -> Effect {
        with(PIPELINE, body.to_string().as_bytes(), primary)
    }

    fn execute(sql: &str) -> Value {
        json!({ "type": "execute", "stmt": { "sql": sql } })
    }

    fn batch(statements: &[&str]) -> Value {
        let steps: Vec<_> =
            statements.iter().map(|sql| json!({ "stmt": { "sql": sql } })).collect();
        json!({ "type": "batch", "batch": { "steps": steps } })
    }

    fn closed(requests: &[Value]) -> Value {
        let mut requests = requests.to_vec();
        requests.push(json!({ "type": "close" }));
        json!({ "requests": requests })
    }

    #[test]
    fn closed_pipelines_of_reads_may_go_to_a_replica() {
        assert!(reads(&closed(&[execute("SELECT 1")])));
        assert!(reads(&closed(&[execute("SELECT 1"), batch(&["SELECT 2", "VALUES (1)"])])));
        let mut body = closed(&[execute("SELECT 1")]);
        body["baton"] = Value::Null;
        assert!(reads(&body));
    }

    #[test]
    fn requests_that_keep_a_stream_open_go_to_the_primary() {
        let open = json!({ "requests": [execute("SELECT 1")] });
        assert_eq!(at_primary(&open), Effect { writes: Writes::Nothing, fresh: true });
        let mut with_baton = closed(&[execute("SELECT 1")]);
        with_baton["baton"] = json!("A".repeat(64));
        assert_eq!(at_primary(&with_baton), Effect { writes: Writes::Nothing, fresh: false });
        let close = json!({ "type": "close" });
        let early = json!({ "requests": [close, execute("SELECT 1"), close] });
        assert_eq!(at_primary(&early).writes, Writes::Nothing);
        assert_eq!(at_primary(&closed(&[])).writes, Writes::Nothing);
        assert_eq!(at_primary(&closed(&[batch(&[])])).writes, Writes::Nothing);
    }

    #[test]
    fn writes_go_to_the_primary_and_may_show_their_index() {
        for requests in [
            vec![execute("INSERT INTO t VALUES (1)")],
            vec![execute("SELECT 1"), batch(&["SELECT 1", "DELETE FROM t"])],
        ] {
            let shown = Effect { writes: Writes::Shown, fresh: true };
            assert_eq!(at_primary(&closed(&requests)), shown);
        }
        let stored = json!({ "type": "execute", "stmt": { "sql_id": 1 } });
        assert_eq!(at_primary(&closed(&[stored])).writes, Writes::Shown);
        let both = json!({ "type": "execute", "stmt": { "sql": "SELECT 1", "sql_id": 1 } });
        assert_eq!(at_primary(&closed(&[both])).writes, Writes::Shown);
        let sequence = json!({ "type": "sequence", "sql": "SELECT 1" });
        assert_eq!(at_primary(&closed(&[sequence])).writes, Writes::Unseen);
        let describe = json!({ "type": "describe", "sql": "SELECT 1" });
        assert_eq!(at_primary(&closed(&[describe])).writes, Writes::Nothing);
    }

    #[test]
    fn bodies_that_are_not_understood_go_to_the_primary() {
        for body in [
            "",
            "{",
            "[]",
            r#"{"requests":[{"type":"execute","stmt":{"sql":"SELECT 1","new":1}},{"type":"close"}]}"#,
            // It is unclear which of the two the server would use.
            r#"{"requests":[{"type":"execute","stmt":{"sql":"SELECT 1","sql":"DELETE FROM t"}},{"type":"close"}]}"#,
            r#"{"requests":[{"type":"execute","stmt":{"sql":"SELECT 1"}},{"type":"close"}]} x"#,
        ] {
            assert_eq!(with(PIPELINE, body.as_bytes(), primary), Effect::UNKNOWN, "{body}");
        }
        let long = closed(&[execute(&format!("SELECT 1 --{}", "x".repeat(READABLE_BYTES)))]);
        assert_eq!(at_primary(&long), Effect::UNKNOWN);
    }

    #[test]
    fn a_cursor_is_a_read_or_unknown() {
        let cursor = |body: &str| with(Endpoint::Cursor(Encoding::Json), body.as_bytes(), primary);
        let body = |sql: &str| json!({ "batch": { "steps": [{ "stmt": { "sql": sql } }] } });
        let read = Effect { writes: Writes::Nothing, fresh: true };
        assert_eq!(cursor(&body("SELECT 1").to_string()), read);
        assert_eq!(cursor(&body("DELETE FROM t").to_string()), Effect::UNKNOWN);
        assert_eq!(cursor("{"), Effect::UNKNOWN);
        assert_eq!(cursor("{}"), Effect::UNKNOWN);
    }

    #[test]
    fn the_index_is_set_where_the_server_uses_it_and_arguments_do_not_change() {
        let body = r#"{"requests":[
            {"type":"execute","stmt":{"sql":"SELECT ?1, \"a\"","args":[{"type":"float","value":0.30000000000000004}, 1e3],"replication_index":"3"}},
            {"type":"batch","batch":{"steps":[{"condition":{"type":"ok","step":0},"stmt":{"sql":"SELECT 2"}},{"condition":{"type":"and","conds":[]},"stmt":{"sql":"SELECT 3"}}]}},
            {"type":"close"}]}"#;
        let written = with(PIPELINE, body.as_bytes(), |class| {
            let reads = replica(class);
            assert_eq!((reads.answers(), reads.asked_index()), (2, 3));
            String::from_utf8(reads.waiting_for(42).unwrap()).unwrap()
        });
        assert!(written.contains(r#"[{"type":"float","value":0.30000000000000004}, 1e3]"#));
        let written: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(written["requests"][0]["stmt"]["replication_index"], "42");
        assert_eq!(written["requests"][0]["stmt"]["sql"], "SELECT ?1, \"a\"");
        assert_eq!(written["requests"][1]["batch"]["replication_index"], "42");
        assert_eq!(written["requests"][1]["batch"]["steps"][0]["condition"]["step"], 0);
        assert_eq!(written["requests"][1]["batch"]["steps"][1]["condition"]["conds"], json!([]));
        assert_eq!(written["requests"][2], json!({ "type": "close" }));
    }

    proptest! {
        #[test]
        fn one_write_among_reads_is_found(
            count in 0_usize..5,
            place in 0_usize..6,
            in_batch in any::<bool>(),
            verb in prop_oneof![
                Just("INSERT INTO t VALUES (1)"), Just("DELETE FROM t"), Just("UPDATE t SET x = 1"),
                Just("BEGIN"), Just("PRAGMA user_version = 1"), Just("SELECT 1; DELETE FROM t"),
            ],
        ) {
            let mut requests = vec![execute("SELECT 1"); count];
            let write = if in_batch { batch(&["SELECT 1", verb]) } else { execute(verb) };
            requests.insert(place.min(count), write);
            prop_assert!(!reads(&closed(&requests)));
        }

        #[test]
        fn a_rewritten_body_is_the_same_read(index in any::<u64>(), texts in proptest::collection::vec("\\PC{0,20}", 1..4)) {
            let requests: Vec<_> = texts
                .iter()
                .map(|text| execute(&format!("SELECT '{}'", text.replace('\'', "''"))))
                .collect();
            let body = closed(&requests);
            let text = body.to_string();
            let wait = |class: Class<'_>| replica(class).waiting_for(index).unwrap();
            let written = with(PIPELINE, text.as_bytes(), wait);
            let again = with(PIPELINE, &written, |class| replica(class).asked_index());
            prop_assert_eq!(again, index);
            let written: Value = serde_json::from_slice(&written).unwrap();
            for (number, request) in requests.iter().enumerate() {
                prop_assert_eq!(&written["requests"][number]["stmt"]["sql"], &request["stmt"]["sql"]);
            }
        }
    }
}
