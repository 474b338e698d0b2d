//! Routes requests to a server: reads to replicas, everything else to the primary.
//!
//! ```text
//! content --> classify (sql): is it a read that any server may answer?
//!      --> index: which index must a replica have reached? does this gate know?
//!      --> replicas: which one is healthy?       --> its answer: checked, then passed on
//!      --> else the primary (primary: is it up?) --> response_tap: reads indexes from the answer
//! ```
//!
//! A client sees every write that was acknowledged to any client through the same gate.
//! This module does not know about tokens or routes.

pub mod classify;
pub mod index;
pub mod metrics;
pub mod primary;
pub mod replicas;
pub mod scan;

mod response_tap;
mod sql;

use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use futures::future::{Either, select};
use tokio::time::timeout;

use self::classify::{Class, Effect, Reads, Writes};
use self::index::{Indexes, Namespace, Question};
use self::metrics::{Fallback, RoutingMetrics};
use self::primary::{Standing, Watch};
use self::replicas::{Replica, Replicas, Tried};
use self::scan::Scanner;
use crate::message::Content;
use crate::paths::Encoding;
use demo_sqld::namespace::NamespaceName;

/// The header that names the server that answered: `primary`, `replica-1`.
pub const SERVED_BY: HeaderName = HeaderName::from_static("x-demo-upstream");
const PRIMARY: &str = "primary";

/// After this long the primary is asked too, and the first answer wins.
const PATIENCE: Duration = Duration::from_millis(750);
/// How long a replica may take to answer a health check.
const ALIVE: Duration = Duration::from_millis(250);
/// How long the connections of a server may outlive it.
const DYING: Duration = Duration::from_millis(100);
/// The longest answer of a replica, which is read whole so that it can be checked.
/// The server's own limit is lower.
const LARGEST_ANSWER: usize = 16 << 20;

/// How a request reaches a server.
pub trait Transport: Send + Sync {
    /// Sends one request, and returns the answer as soon as its head has arrived.
    fn send(
        &self,
        server: &Authority,
        method: Method,
        path: &'static str,
        headers: HeaderMap,
        body: Bytes,
    ) -> impl Future<Output = Result<Response<Body>, Lost>> + Send;
}

/// Why there is no answer. Only after [`Lost::Unreachable`] may another server be
/// asked: a statement that ended one server would end the next one, too.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lost {
    /// It was not possible to connect, so nothing was sent.
    Unreachable,
    /// The connection broke; the request may have been executed.
    Broken,
    /// No answer arrived in time; the request may have been executed.
    Late,
}

/// One request as it goes upstream.
#[derive(Debug)]
pub struct Call<'a> {
    pub namespace: NamespaceName,
    pub content: Content<'a>,
    /// Whether its token may write.
    pub may_write: bool,
    /// A path of the table in [`crate::paths`].
    pub path: &'static str,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Sends each request to a server that may answer it.
pub struct Routing<T> {
    transport: T,
    primary: Authority,
    watch: Option<Watch>,
    replicas: Replicas,
    indexes: Indexes,
    metrics: RoutingMetrics,
}

const READ: Effect = Effect { writes: Writes::Nothing, fresh: true };

/// A read that any server may answer.
struct Wanted<'a> {
    call: &'a Call<'a>,
    namespace: &'a Namespace,
    reads: Reads<'a>,
    /// The index that the client itself asks for.
    asked: u64,
}

/// What the replicas are asked, given the state of the primary.
struct Round {
    body: Bytes,
    required: u64,
    primary: Standing,
}

/// The replica that is being asked.
type Asking<'a> = Mutex<Option<&'a Replica>>;

/// A request that may write until it is dropped, such as a WebSocket.
pub struct Open(Question);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.settle(false);
    }
}

impl<T: Transport> Routing<T> {
    /// Needs a runtime if there are replicas, in order to watch the primary.
    pub fn new(
        transport: T,
        primary: Authority,
        replicas: impl IntoIterator<Item = Authority>,
        metrics: RoutingMetrics,
    ) -> Self {
        let replicas = Replicas::new(replicas);
        let watch = (!replicas.is_empty()).then(|| Watch::start(primary.clone()));
        Self { transport, primary, watch, replicas, indexes: Indexes::default(), metrics }
    }

    /// The longest JSON body whose requests [`Self::send`] needs; 0 without replicas.
    pub fn kept(&self) -> usize {
        if self.watch.is_none() { 0 } else { classify::READABLE_BYTES }
    }

    /// Reads of `namespace` go to the primary until the result is dropped.
    pub fn open(&self, namespace: &str) -> Open {
        Open(self.question(&self.indexes.namespace(namespace), Effect::UNKNOWN))
    }

    /// Sends `call` and returns the answer; the header [`SERVED_BY`] names the server.
    ///
    /// # Errors
    /// When no server that may answer does so.
    pub async fn send(&self, call: Call<'_>) -> Result<Response<Body>, Lost> {
        if self.watch.is_none() {
            return self.pass(call).await;
        }
        let namespace = self.indexes.namespace(call.namespace.as_str());
        let mut effect = match classify::class(&call.content) {
            Class::Replica(reads) => return self.read(&call, &namespace, reads).await,
            Class::Primary(effect) => effect,
        };
        if !call.may_write {
            effect.writes = Writes::Nothing;
        }
        self.ask_primary(&call, &namespace, effect).await
    }

    /// Sends `call` to the only server; without replicas, its indexes do not matter.
    async fn pass(&self, call: Call<'_>) -> Result<Response<Body>, Lost> {
        let Call { path, headers, body, .. } = call;
        let sent = self.transport.send(&self.primary, Method::POST, path, headers, body);
        let mut response = sent.await?;
        self.metrics.served(PRIMARY);
        name(&mut response, HeaderValue::from_static(PRIMARY));
        Ok(response)
    }

    async fn read(
        &self,
        call: &Call<'_>,
        namespace: &Namespace,
        reads: Reads<'_>,
    ) -> Result<Response<Body>, Lost> {
        let wanted = Wanted { call, namespace, asked: reads.asked_index(), reads };
        if let Some(round) = Self::round(&wanted, self.standing()) {
            match self.first_answer(&wanted, round).await {
                Some(answer) => return answer,
                None => return self.ask_primary(call, namespace, READ).await,
            }
        }
        let lost = match self.ask_primary(call, namespace, READ).await {
            Err(lost @ Lost::Unreachable) => lost,
            answered => return answered,
        };
        // Even if the primary accepts no new connections, open ones may still acknowledge
        // writes. Replicas may be asked only once it is really down.
        let gone = match &self.watch {
            Some(watch) => watch.gone().await,
            None => None,
        };
        let round = gone.and_then(|standing| Self::round(&wanted, standing));
        let Some(round) = round else { return Err(lost) };
        let asking = Asking::default();
        let answer = timeout(PATIENCE, self.ask_replicas(&wanted, &round, &asking)).await;
        answer.ok().flatten().unwrap_or(Err(lost))
    }

    /// What to ask the replicas; `None` when only the primary may answer.
    fn round(wanted: &Wanted<'_>, primary: Standing) -> Option<Round> {
        let required = wanted.namespace.readable(primary, Instant::now())?;
        // A replica would wait forever for an index that does not exist.
        if wanted.asked > required {
            return None;
        }
        let body = wanted.reads.waiting_for(required).ok()?;
        Some(Round { body: body.into(), required, primary })
    }

    /// The answer of a replica, or that of the primary if the replica is late; `None` when
    /// the primary must still be asked.
    async fn first_answer(
        &self,
        wanted: &Wanted<'_>,
        round: Round,
    ) -> Option<Result<Response<Body>, Lost>> {
        let asking = Asking::default();
        let mut replicas = pin!(self.ask_replicas(wanted, &round, &asking));
        if let Ok(answer) = timeout(PATIENCE, &mut replicas).await {
            return answer;
        }
        self.metrics.fell_back(Fallback::Late);
        let replica = (*asking.lock().unwrap_or_else(PoisonError::into_inner))?;
        let alive = match select(replicas, pin!(self.is_alive(replica))).await {
            Either::Left((answer, _)) => return answer,
            Either::Right((true, replicas)) => replicas,
            Either::Right((false, replicas)) => {
                // If the replica has just died, the connection of the request breaks, too.
                if let Ok(answer) = timeout(DYING, replicas).await {
                    return answer;
                }
                replica.failed(Instant::now());
                return None;
            }
        };
        let primary = pin!(self.ask_primary(wanted.call, wanted.namespace, READ));
        match select(alive, primary).await {
            Either::Left((Some(Ok(answer)), _)) => Some(Ok(answer)),
            // The primary has the request already, so its answer is used.
            Either::Left((_, primary)) => Some(primary.await),
            Either::Right((answer, _)) => {
                wanted.namespace.late(Instant::now());
                Some(answer)
            }
        }
    }

    /// Whether the replica answers at all.
    async fn is_alive(&self, replica: &Replica) -> bool {
        let (empty, body) = (HeaderMap::new(), Bytes::new());
        let sent = self.transport.send(&replica.server, Method::GET, "/health", empty, body);
        matches!(timeout(ALIVE, sent).await, Ok(Ok(_)))
    }

    /// The answer of the first replica that answers, if it is valid and current; an error
    /// when a replica may have executed the request without answering.
    async fn ask_replicas<'a>(
        &'a self,
        wanted: &Wanted<'_>,
        round: &Round,
        asking: &Asking<'a>,
    ) -> Option<Result<Response<Body>, Lost>> {
        let mut tried = Tried::default();
        while let Some(replica) = self.replicas.next(&mut tried, Instant::now()) {
            *asking.lock().unwrap_or_else(PoisonError::into_inner) = Some(replica);
            let (head, body) =
                match self.ask_replica(wanted.call, replica, round.body.clone()).await {
                    Ok((head, Some(body))) => (head, body),
                    Ok((_, None)) => {
                        replica.well();
                        self.metrics.fell_back(Fallback::Answer);
                        return None;
                    }
                    Err(lost) => {
                        replica.failed(Instant::now());
                        self.metrics.fell_back(Fallback::Unreachable);
                        if lost == Lost::Unreachable {
                            continue;
                        }
                        return Some(Err(lost));
                    }
                };
            replica.well();
            if head.status != StatusCode::OK || !self.proves(wanted, round, &body) {
                self.metrics.fell_back(Fallback::Answer);
                return None;
            }
            wanted.namespace.in_time();
            self.metrics.served(replica.label.clone());
            let mut response = Response::from_parts(head, Body::from(body));
            if let Ok(label) = HeaderValue::try_from(&replica.label) {
                name(&mut response, label);
            }
            return Some(Ok(response));
        }
        None
    }

    /// Whether an answer shows for each request that it is neither too old nor from an old
    /// log. The server does not always wait for the requested index: it does not wait before
    /// it has the first frame of the namespace.
    fn proves(&self, wanted: &Wanted<'_>, round: &Round, body: &[u8]) -> bool {
        let shown = Scanner::default().take(body);
        let primary = match round.primary {
            down @ Standing::Down { .. } => down,
            Standing::Up { .. } => self.standing(),
        };
        let (Some(lowest), Some(highest)) = (shown.lowest, shown.highest) else { return false };
        !shown.error
            && shown.numbers == wanted.reads.answers()
            && wanted.namespace.accepts(round.required, lowest, highest, primary)
    }

    /// The answer of one replica; without its body if that is too long to check.
    async fn ask_replica(
        &self,
        call: &Call<'_>,
        replica: &Replica,
        body: Bytes,
    ) -> Result<(axum::http::response::Parts, Option<Bytes>), Lost> {
        let (server, headers) = (&replica.server, call.headers.clone());
        let sent = self.transport.send(server, Method::POST, call.path, headers, body);
        let (head, body) = sent.await?.into_parts();
        let body = response_tap::whole(body, LARGEST_ANSWER).await.map_err(|()| Lost::Broken)?;
        Ok((head, body))
    }

    async fn ask_primary(
        &self,
        call: &Call<'_>,
        namespace: &Namespace,
        effect: Effect,
    ) -> Result<Response<Body>, Lost> {
        let question = self.question(namespace, effect);
        let (headers, body) = (call.headers.clone(), call.body.clone());
        let sent = self.transport.send(&self.primary, Method::POST, call.path, headers, body);
        let response = match sent.await {
            Ok(response) => response,
            Err(lost) => {
                question.unanswered();
                return Err(lost);
            }
        };
        self.metrics.served(PRIMARY);
        let readable =
            matches!(&call.content, Content::Stream(stream) if stream.encoding == Encoding::Json);
        let mut response = response_tap::watched(response, question, readable);
        name(&mut response, HeaderValue::from_static(PRIMARY));
        Ok(response)
    }

    fn question(&self, namespace: &Namespace, effect: Effect) -> Question {
        namespace.question(effect, self.standing().generation(), Instant::now())
    }

    fn standing(&self) -> Standing {
        self.watch.as_ref().map_or(Standing::UNSEEN, Watch::standing)
    }
}

fn name(response: &mut Response<Body>, server: HeaderValue) {
    response.headers_mut().insert(SERVED_BY, server);
}
