//! Tracks what the requests of one WebSocket have opened, and decides which of them the
//! gate answers itself.
//!
//! A refusal fails only the refused request. The gate remembers what that request would have
//! opened: the server does not know about it, and would close the whole connection if a
//! later request named it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::messages::{self, Closed, Kind, Request, Sql};
use crate::message::{self, SQL_FORBIDDEN};
use crate::paths::Encoding;
use crate::rights::Right;
use crate::tenants::{Connection, Executing, Tenant};

/// How many refused streams, cursors and SQL texts, and stored SQL texts with several
/// statements, may be open at once.
const MOST_REFUSED: usize = 1000;
/// How many requests without a statement are free per statement, and how many of these may
/// accumulate.
const BESIDES: u32 = 4;
const MOST_BESIDES: u32 = 1000;

/// What happens to a request.
pub enum Verdict {
    Pass,
    /// It is not sent to the server, and this is its answer.
    Answer(Message),
    /// The client has too many refused streams, cursors and SQL texts open.
    TooMany,
}

/// Something that a refused request would have opened.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Name {
    Stream(i32),
    Cursor(i32),
    Sql(i32),
}

/// Why a request is refused.
#[derive(Clone)]
struct Why {
    code: &'static str,
    said: String,
}

/// A unique number of a stream; the client may reuse its own numbers.
type Serial = u64;

struct Stream {
    _connection: Connection,
    executing: Option<Executing>,
    /// How many of its requests are not answered yet.
    busy: u32,
    cursor: bool,
    last: Instant,
}

/// A request that is not answered yet.
struct Pending {
    stream: Serial,
    ends: Option<Closed>,
}

struct State {
    numbers: HashMap<i32, Serial>,
    streams: HashMap<Serial, Stream>,
    cursors: HashMap<i32, Serial>,
    pending: HashMap<i32, Pending>,
    refused: HashMap<Name, Why>,
    /// How many statements stored SQL has, if there are several.
    stored: HashMap<i32, u32>,
    /// Requests of the gate itself, whose answers the client must not see.
    own: HashSet<i32>,
    next_own: i32,
    next_serial: Serial,
    besides: u32,
}

/// The requests of one WebSocket.
pub struct Requests {
    tenant: Arc<Tenant>,
    encoding: Encoding,
    state: Mutex<State>,
}

impl Requests {
    pub fn new(tenant: Arc<Tenant>, encoding: Encoding) -> Self {
        let state = State {
            numbers: HashMap::new(),
            streams: HashMap::new(),
            cursors: HashMap::new(),
            pending: HashMap::new(),
            refused: HashMap::new(),
            stored: HashMap::new(),
            own: HashSet::new(),
            // Clients count up from zero or one.
            next_own: i32::MIN,
            next_serial: 0,
            besides: MOST_BESIDES,
        };
        Self { tenant, encoding, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `request` may pass, and says whether it does.
    pub async fn judge(&self, request: Request, right: Right) -> Verdict {
        let (statements, judged) = self.statements(&request.kind, right);
        self.count(statements).await;
        let passed = self.pass(request.id, request.kind, judged).await;
        {
            let state = self.state();
            if state.refused.len() + state.stored.len() > MOST_REFUSED {
                return Verdict::TooMany;
            }
        }
        match passed {
            Ok(None) => Verdict::Pass,
            Ok(Some(closed)) => {
                Verdict::Answer(messages::closed(self.encoding, request.id, closed))
            }
            Err(why) => {
                Verdict::Answer(messages::error(self.encoding, request.id, why.code, &why.said))
            }
        }
    }

    /// How many statements a request runs, and whether its SQL is allowed. A text counts as
    /// at least one.
    fn statements(&self, kind: &Kind, right: Right) -> (u32, Result<u32, Why>) {
        let sql = match kind {
            Kind::Run { sql, .. } | Kind::OpenCursor { sql, .. } => sql.as_slice(),
            Kind::StoreSql { sql, .. } => return (0, judge(sql, right)),
            _ => &[],
        };
        let (mut statements, mut refused) = (0_u32, None);
        for Sql { text, id } in sql {
            let judged = match (text, id) {
                (Some(text), _) if refused.is_none() => judge(text, right),
                (None, Some(id)) => Ok(self.state().stored.get(id).copied().unwrap_or(1)),
                _ => Ok(1),
            };
            let own = judged.unwrap_or_else(|why| {
                refused = Some(why);
                1
            });
            statements = statements.saturating_add(own.max(1));
        }
        (statements, refused.map_or(Ok(statements), Err))
    }

    /// Counts the statements of a request. Requests without one count only if there are many
    /// of them per statement.
    async fn count(&self, statements: u32) {
        let counted = {
            let mut state = self.state();
            if statements > 0 {
                let more = statements.saturating_mul(BESIDES);
                state.besides = state.besides.saturating_add(more).min(MOST_BESIDES);
                statements
            } else if state.besides > 0 {
                state.besides -= 1;
                0
            } else {
                1
            }
        };
        self.tenant.admit_in_turn(counted).await;
    }

    /// Whether a request may pass; `Some` for something that the gate closes itself.
    async fn pass(
        &self,
        id: i32,
        kind: Kind,
        judged: Result<u32, Why>,
    ) -> Result<Option<Closed>, Why> {
        match kind {
            Kind::OpenStream(stream) => self.open(id, stream).await.map(|()| None),
            Kind::CloseStream(stream) => Ok(self.state().close_stream(id, stream)),
            Kind::Run { stream, sql } => {
                self.uses_nothing_refused(Name::Stream(stream), &sql)?;
                judged?;
                self.begin(id, stream, None).await.map(|()| None)
            }
            Kind::OpenCursor { stream, cursor, sql } => {
                let allowed = self.uses_nothing_refused(Name::Stream(stream), &sql);
                let begun = match allowed.and(judged) {
                    Ok(_) => self.begin(id, stream, Some(cursor)).await,
                    Err(why) => Err(why),
                };
                let mut state = self.state();
                match begun {
                    Ok(()) => drop(state.refused.remove(&Name::Cursor(cursor))),
                    Err(why) => {
                        state.refused.insert(Name::Cursor(cursor), why.clone());
                        return Err(why);
                    }
                }
                Ok(None)
            }
            Kind::CloseCursor(cursor) => Ok(self.state().close_cursor(id, cursor)),
            Kind::FetchCursor(cursor) => {
                let mut state = self.state();
                if let Some(why) = state.refused.get(&Name::Cursor(cursor)) {
                    return Err(why.clone());
                }
                if let Some(serial) = state.cursors.get(&cursor).copied() {
                    state.asked(id, serial, None);
                }
                Ok(None)
            }
            Kind::StoreSql { id, .. } => {
                let mut state = self.state();
                match judged {
                    Ok(statements) => {
                        state.refused.remove(&Name::Sql(id));
                        state.stored.remove(&id);
                        if statements > 1 {
                            state.stored.insert(id, statements);
                        }
                        Ok(None)
                    }
                    Err(why) => {
                        state.refused.insert(Name::Sql(id), why.clone());
                        Err(why)
                    }
                }
            }
            Kind::CloseSql(sql) => {
                let mut state = self.state();
                if state.refused.remove(&Name::Sql(sql)).is_some() {
                    return Ok(Some(Closed::Sql));
                }
                state.stored.remove(&sql);
                Ok(None)
            }
        }
    }

    /// Whether the gate has refused nothing that the request uses.
    fn uses_nothing_refused(&self, stream: Name, sql: &[Sql]) -> Result<(), Why> {
        let state = self.state();
        let stored = sql.iter().filter_map(|sql| sql.id).map(Name::Sql);
        let mut names = std::iter::once(stream).chain(stored);
        let refused = names.find_map(|name| state.refused.get(&name));
        refused.map_or(Ok(()), |why| Err(why.clone()))
    }

    async fn open(&self, id: i32, number: i32) -> Result<(), Why> {
        if self.state().numbers.contains_key(&number) {
            // The server answers with an error.
            return Ok(());
        }
        let connected = self.tenant.connect().await;
        let mut state = self.state();
        let connection = match connected {
            Ok(connection) => connection,
            Err(problem) => {
                let why = Why { code: problem.code(), said: problem.detail().to_owned() };
                state.refused.insert(Name::Stream(number), why.clone());
                return Err(why);
            }
        };
        state.refused.remove(&Name::Stream(number));
        let serial = state.next_serial;
        state.next_serial += 1;
        let last = Instant::now();
        let stream =
            Stream { _connection: connection, executing: None, busy: 0, cursor: false, last };
        state.numbers.insert(number, serial);
        state.streams.insert(serial, stream);
        state.asked(id, serial, None);
        Ok(())
    }

    /// Notes the beginning of a request of a stream, which may open `cursor`.
    async fn begin(&self, id: i32, number: i32, cursor: Option<i32>) -> Result<(), Why> {
        let (serial, needs) = {
            let mut state = self.state();
            let Some(serial) = state.numbers.get(&number).copied() else { return Ok(()) };
            state.asked(id, serial, None);
            (serial, state.streams.get(&serial).is_some_and(|stream| stream.executing.is_none()))
        };
        let executing = if needs { Some(self.tenant.execute().await) } else { None };
        let mut state = self.state();
        let executing = match executing {
            Some(Err(problem)) => {
                state.answered(id);
                return Err(Why { code: problem.code(), said: problem.detail().to_owned() });
            }
            Some(Ok(executing)) => Some(executing),
            None => None,
        };
        if let Some(stream) = state.streams.get_mut(&serial) {
            stream.executing = executing.or(stream.executing.take());
            stream.cursor |= cursor.is_some();
        }
        if let Some(cursor) = cursor {
            state.cursors.insert(cursor, serial);
        }
        Ok(())
    }

    /// Notes that the server has answered request `id`. Returns whether the client may see
    /// the answer.
    pub fn answered(&self, id: i32) -> bool {
        self.state().answered(id)
    }

    /// The requests that close the streams which were idle for longer than `limit`, at most
    /// `most` of them.
    pub fn idle(&self, limit: Duration, most: usize) -> Vec<Message> {
        let mut state = self.state();
        let now = Instant::now();
        let is_idle = |serial: &Serial| {
            let stream = state.streams.get(serial);
            stream.is_some_and(|stream| stream.busy == 0 && now - stream.last > limit)
        };
        let idle: Vec<i32> = state
            .numbers
            .iter()
            .filter(|(_, serial)| is_idle(serial))
            .map(|(number, _)| *number)
            .take(most)
            .collect();
        idle.into_iter()
            .map(|number| {
                let id = state.next_own;
                state.next_own = state.next_own.wrapping_add(1);
                state.own.insert(id);
                state.close_stream(id, number);
                let said = "the stream has expired: it was idle for too long".to_owned();
                let why = Why { code: "STREAM_EXPIRED", said };
                state.refused.insert(Name::Stream(number), why);
                messages::close_stream(self.encoding, id, number)
            })
            .collect()
    }
}

impl State {
    fn asked(&mut self, id: i32, serial: Serial, ends: Option<Closed>) {
        if let Some(stream) = self.streams.get_mut(&serial) {
            stream.busy = stream.busy.saturating_add(1);
            stream.last = Instant::now();
            self.pending.insert(id, Pending { stream: serial, ends });
        }
    }

    fn answered(&mut self, id: i32) -> bool {
        if let Some(Pending { stream: serial, ends }) = self.pending.remove(&id) {
            if ends == Some(Closed::Stream) {
                self.streams.remove(&serial);
            }
            if let Some(stream) = self.streams.get_mut(&serial) {
                stream.busy = stream.busy.saturating_sub(1);
                stream.last = Instant::now();
                stream.cursor &= ends != Some(Closed::Cursor);
                if stream.busy == 0 && !stream.cursor {
                    stream.executing = None;
                }
            }
        }
        !self.own.remove(&id)
    }

    /// `Some` when the gate answers the request itself.
    fn close_stream(&mut self, id: i32, number: i32) -> Option<Closed> {
        if self.refused.remove(&Name::Stream(number)).is_some() {
            return Some(Closed::Stream);
        }
        if let Some(serial) = self.numbers.remove(&number) {
            self.cursors.retain(|_, stream| *stream != serial);
            self.asked(id, serial, Some(Closed::Stream));
        }
        None
    }

    fn close_cursor(&mut self, id: i32, cursor: i32) -> Option<Closed> {
        if self.refused.remove(&Name::Cursor(cursor)).is_some() {
            return Some(Closed::Cursor);
        }
        if let Some(serial) = self.cursors.remove(&cursor) {
            self.asked(id, serial, Some(Closed::Cursor));
        }
        None
    }
}

fn judge(sql: &str, right: Right) -> Result<u32, Why> {
    message::judge(sql, right)
        .map_err(|refusal| Why { code: SQL_FORBIDDEN, said: refusal.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::tenants::Tenants;

    fn requests(per_second: u32, burst: u32) -> Requests {
        let limits = Limits {
            per_namespace_per_second: per_second.try_into().unwrap(),
            burst: burst.try_into().unwrap(),
            ..Limits::default()
        };
        let tenant = Tenants::new(&limits, 1024).of(&"a".parse().unwrap());
        Requests::new(tenant, Encoding::Json)
    }

    fn run(text: Option<&str>, id: Option<i32>) -> Kind {
        Kind::Run { stream: 1, sql: vec![Sql { text: text.map(str::to_owned), id }] }
    }

    /// Whether `kind` passes, and leaves fewer than `burst` statements for the others.
    async fn counts(requests: &Requests, kind: Kind, burst: u32) -> bool {
        let verdict = requests.judge(Request { id: 1, kind }, Right::Write).await;
        assert!(matches!(verdict, Verdict::Pass));
        requests.tenant.admit(burst).await.is_err()
    }

    #[tokio::test]
    async fn every_statement_of_a_text_counts() {
        let text = "SELECT 1; SELECT 2; SELECT 3;";
        // Of ten statements, seven are left.
        let fresh = || requests(1, 10);
        assert!(counts(&fresh(), run(Some(text), None), 9).await);
        assert!(!counts(&fresh(), run(Some(text), None), 7).await);
        assert!(!counts(&fresh(), run(Some("SELECT 1"), None), 9).await);

        // Storing runs nothing.
        let store = || Kind::StoreSql { id: 7, sql: text.to_owned() };
        let stored = fresh();
        assert!(!counts(&stored, store(), 0).await);
        assert!(counts(&stored, run(None, Some(7)), 9).await);
        assert!(!counts(&stored, run(None, Some(8)), 6).await);
        let closed = fresh();
        assert!(!counts(&closed, store(), 0).await);
        assert!(!counts(&closed, Kind::CloseSql(7), 0).await);
        assert!(!counts(&closed, run(None, Some(7)), 9).await);
    }

    #[tokio::test]
    async fn few_counts_of_stored_sql_are_kept() {
        let requests = requests(1_000_000, 1_000_000);
        for id in 0..=1000 {
            let kind = Kind::StoreSql { id, sql: "SELECT 1; SELECT 2".to_owned() };
            let verdict = requests.judge(Request { id, kind }, Right::Write).await;
            assert_eq!(matches!(verdict, Verdict::TooMany), id == 1000, "{id}");
        }
    }
}
