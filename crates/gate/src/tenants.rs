//! Limits what each namespace may use, so that it cannot starve the others.
//!
//! The server has 128 connections to databases, for all namespaces together, and holds
//! one for each open stream, cursor and client id of an embedded replica. Each
//! namespace has a budget well under that ([`Tenant::connect`]), limits on requests
//! that are executed at once ([`Tenant::execute`]), on WebSockets and on statements per
//! second ([`Tenant::admit`]), and a share of the memory for bodies. A request over a
//! limit waits for a moment and is then refused.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering::{self, Relaxed};
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::config::Limits;
use super::streams::StreamId;
use demo_service::problem::Problem;
use demo_sqld::namespace::NamespaceName;

/// How long a request over a limit waits for a free slot or connection.
const WAIT: Duration = Duration::from_secs(1);
/// How long a request over the rate may wait; one that would wait longer is refused at once.
const RATE_WAIT: Duration = Duration::from_millis(500);
/// While requests take no longer than this, more of them may run at once, up to
/// [`GROWTH`] times the limit: they would only wait here instead of at the server.
const QUICK: Duration = Duration::from_millis(20);
/// A request that takes this long reduces the number that may run at once by one again.
const SLOW: Duration = Duration::from_millis(100);
const GROWTH: u32 = 4;
/// The server closes a stream that is idle for 10 s.
const STREAM: Duration = Duration::from_secs(11);
/// The server frees the connection of a request as soon as it sees that the client has
/// gone: 120 endless reads had all ended after 1.8 s, 120 quick ones at once (measured).
const LOST: Duration = Duration::from_secs(3);
/// The server keeps a connection for a client id for 20 to 55 s.
const CLIENT: Duration = Duration::from_secs(60);
/// With fewer namespaces than this, there is no search for unused ones.
const MANY: usize = 10_000;

/// All namespaces that requests have named.
pub struct Tenants {
    limits: Limits,
    room: u32,
    all: RwLock<HashMap<NamespaceName, Arc<Tenant>>>,
    /// At this number of namespaces, unused ones are forgotten.
    sweep_at: AtomicUsize,
}

impl Tenants {
    /// `room` is the memory for the bodies of one namespace, in KiB.
    pub fn new(limits: &Limits, room: u32) -> Self {
        let all = RwLock::default();
        Self { limits: limits.clone(), room, all, sweep_at: AtomicUsize::new(MANY) }
    }

    pub fn of(&self, namespace: &NamespaceName) -> Arc<Tenant> {
        let known = self.all.read().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned();
        known.unwrap_or_else(|| self.add(namespace))
    }

    fn add(&self, namespace: &NamespaceName) -> Arc<Tenant> {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() > self.sweep_at.load(Ordering::Relaxed) {
            all.retain(|_, tenant| Arc::strong_count(tenant) > 1 || tenant.holds_anything());
            let next = all.len().saturating_mul(2).max(MANY);
            self.sweep_at.store(next, Ordering::Relaxed);
        }
        let new = || Arc::new(Tenant::new(namespace.clone(), &self.limits, self.room));
        all.entry(namespace.clone()).or_insert_with(new).clone()
    }
}

/// What holds a connection of the server between requests.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Holder {
    /// A pipeline or a cursor that was not closed.
    Stream(StreamId),
    /// A client id of an embedded replica.
    Client([u8; 16]),
    /// A stream whose answer never arrived, so that it may be open or closed.
    Lost(u64),
}

/// One namespace.
pub struct Tenant {
    name: NamespaceName,
    rate: DefaultDirectRateLimiter,
    burst: NonZeroU32,
    executing: Semaphore,
    /// How many requests above the limit may run at once, now and at most.
    grown: AtomicU32,
    most_grown: u32,
    connections: Semaphore,
    sockets: Semaphore,
    /// In KiB.
    pub(super) room: Semaphore,
    /// Until when each holder keeps its connection; `None` while it is in use.
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    until: HashMap<Holder, Option<Instant>>,
    lost: u64,
}

impl Tenant {
    fn new(name: NamespaceName, limits: &Limits, room: u32) -> Self {
        let quota = Quota::per_second(limits.per_namespace_per_second).allow_burst(limits.burst);
        let permits = |number: NonZeroU32| {
            Semaphore::new(usize::try_from(number.get()).unwrap_or(Semaphore::MAX_PERMITS))
        };
        Self {
            name,
            rate: DefaultDirectRateLimiter::direct(quota),
            burst: limits.burst,
            executing: permits(limits.requests_per_namespace),
            grown: AtomicU32::new(0),
            most_grown: limits.requests_per_namespace.get().saturating_mul(GROWTH - 1),
            connections: permits(limits.server_connections_per_namespace),
            sockets: permits(limits.web_sockets_per_namespace),
            room: Semaphore::new(usize::try_from(room).unwrap_or(Semaphore::MAX_PERMITS)),
            held: Mutex::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn holds_anything(&self) -> bool {
        self.expire();
        !self.held().until.is_empty()
    }

    /// Counts `statements`.
    ///
    /// # Errors
    /// 429 when they would have to wait for longer than [`RATE_WAIT`].
    pub async fn admit(&self, statements: u32) -> Result<(), Problem> {
        let deadline = Instant::now() + RATE_WAIT;
        while let Err(wait) = self.check(statements) {
            let until = Instant::now() + wait;
            if until > deadline {
                let said = format!("too many statements for the namespace `{}`", self.name);
                return Err(Problem::too_many(said, wait));
            }
            tokio::time::sleep_until(until).await;
        }
        Ok(())
    }

    /// Counts `statements`, and waits until the rate allows them.
    pub async fn admit_in_turn(&self, statements: u32) {
        while let Err(wait) = self.check(statements) {
            tokio::time::sleep_until(Instant::now() + wait).await;
        }
    }

    fn check(&self, statements: u32) -> Result<(), Duration> {
        // The rate limiter would never admit more than the burst at once.
        let Some(number) = NonZeroU32::new(statements.min(self.burst.get())) else {
            return Ok(());
        };
        match self.rate.check_n(number) {
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(until)) => Err(until.wait_time_from(DefaultClock::default().now())),
        }
    }

    /// A slot among the requests that run at once.
    ///
    /// # Errors
    /// 429 when none is free in time.
    pub async fn execute(self: &Arc<Self>) -> Result<Executing, Problem> {
        let permit = match self.executing.try_acquire() {
            Ok(permit) => Some(permit),
            Err(_) => timeout(WAIT, self.executing.acquire()).await.ok().and_then(Result::ok),
        };
        permit.ok_or_else(|| self.too_many("requests at once"))?.forget();
        Ok(Executing { tenant: self.clone(), since: Instant::now() })
    }

    /// A connection of the server.
    ///
    /// # Errors
    /// 429 when none is free in time.
    pub async fn connect(self: &Arc<Self>) -> Result<Connection, Problem> {
        let deadline = Instant::now() + WAIT;
        loop {
            if let Ok(permit) = self.connections.try_acquire() {
                permit.forget();
                return Ok(Connection(self.clone()));
            }
            let Some(next) = self.expire() else { continue };
            let acquired = timeout_at(next.min(deadline), self.connections.acquire()).await;
            if let Ok(Ok(permit)) = acquired {
                permit.forget();
                return Ok(Connection(self.clone()));
            }
            if Instant::now() >= deadline {
                return Err(self.too_many("open streams, cursors and clients"));
            }
        }
    }

    /// A WebSocket.
    ///
    /// # Errors
    /// 429 when there are too many.
    pub fn socket(self: &Arc<Self>) -> Result<Socket, Problem> {
        self.sockets.try_acquire().map_err(|_| self.too_many("WebSockets"))?.forget();
        Ok(Socket(self.clone()))
    }

    /// Counts the connection that the server keeps for a client id.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn client(self: &Arc<Self>, id: [u8; 16]) -> Result<(), Problem> {
        let until = Some(Instant::now() + CLIENT);
        if let Some(held) = self.held().until.get_mut(&Holder::Client(id)) {
            *held = until;
            return Ok(());
        }
        let connection = self.connect().await?;
        connection.keep(Holder::Client(id), until);
        Ok(())
    }

    /// The connection of one request of a stream: that of `stream`, or a new one.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn stream(self: &Arc<Self>, stream: Option<StreamId>) -> Result<Slot, Problem> {
        let slot = |stream| Slot { tenant: self.clone(), stream, sent: false, settled: false };
        if let Some(id) = stream
            && let Some(held) = self.held().until.get_mut(&Holder::Stream(id))
        {
            *held = None;
            return Ok(slot(stream));
        }
        std::mem::forget(self.connect().await?);
        Ok(slot(None))
    }

    /// Frees the connections whose time is over. Returns when the next one is due, or `None`
    /// when something was freed.
    fn expire(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut held = self.held();
        let before = held.until.len();
        held.until.retain(|_, until| until.is_none_or(|until| until > now));
        let freed = before - held.until.len();
        let next = held.until.values().flatten().min().copied();
        drop(held);
        self.connections.add_permits(freed);
        (freed == 0).then(|| next.unwrap_or(now + WAIT))
    }

    fn release(&self, holder: Holder) {
        if self.held().until.remove(&holder).is_some() {
            self.connections.add_permits(1);
        }
    }

    fn too_many(&self, what: &str) -> Problem {
        let said = format!("too many {what} for the namespace `{}`", self.name);
        Problem::too_many(said, WAIT)
    }
}

/// A running request; its slot becomes free when this is dropped.
pub struct Executing {
    tenant: Arc<Tenant>,
    since: Instant,
}

impl Drop for Executing {
    fn drop(&mut self) {
        let Tenant { executing, grown, most_grown, .. } = &*self.tenant;
        let took = self.since.elapsed();
        let places = if took <= QUICK {
            let more = |now: u32| (now < *most_grown).then_some(now + 1);
            1 + usize::from(grown.fetch_update(Relaxed, Relaxed, more).is_ok())
        } else if took >= SLOW {
            let fewer = |now: u32| now.checked_sub(1);
            usize::from(grown.fetch_update(Relaxed, Relaxed, fewer).is_err())
        } else {
            1
        };
        executing.add_permits(places);
    }
}

/// A WebSocket of a namespace; it stops counting when this is dropped.
pub struct Socket(Arc<Tenant>);

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.sockets.add_permits(1);
    }
}

/// A connection of the server; it becomes free when this is dropped.
pub struct Connection(Arc<Tenant>);

impl Connection {
    /// Hands the connection over to `holder`.
    fn keep(self, holder: Holder, until: Option<Instant>) {
        // If the holder already has a connection, this one is dropped and becomes free.
        if self.0.held().until.insert(holder, until).is_none() {
            std::mem::forget(self);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.connections.add_permits(1);
    }
}

/// The connection of a pipeline's or cursor's stream during a request.
pub struct Slot {
    tenant: Arc<Tenant>,
    /// The stream that already holds the connection.
    stream: Option<StreamId>,
    sent: bool,
    settled: bool,
}

impl Slot {
    /// Notes that the request was sent: from now on the server may have opened the stream,
    /// whatever the answer is.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// Notes that the stream stays open.
    pub fn stays(&mut self, stream: StreamId) {
        self.settle(Some(Holder::Stream(stream)), STREAM);
    }

    /// Notes that the stream is closed.
    pub fn closed(&mut self) {
        self.settle(None, STREAM);
    }

    fn settle(&mut self, holder: Option<Holder>, keep: Duration) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let until = Some(Instant::now() + keep);
        match (self.stream, holder) {
            (Some(own), None) => self.tenant.release(Holder::Stream(own)),
            (Some(own), Some(_)) => {
                if let Some(held) = self.tenant.held().until.get_mut(&Holder::Stream(own)) {
                    *held = until;
                }
            }
            (None, None) => drop(Connection(self.tenant.clone())),
            (None, Some(holder)) => Connection(self.tenant.clone()).keep(holder, until),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        match (self.stream, self.sent) {
            (Some(own), false) => self.stays(own),
            (Some(own), true) => self.settle(Some(Holder::Stream(own)), LOST),
            (None, false) => self.closed(),
            (None, true) => {
                let lost = {
                    let mut held = self.tenant.held();
                    held.lost += 1;
                    held.lost
                };
                self.settle(Some(Holder::Lost(lost)), LOST);
            }
        }
    }
}

#[cfg(test)]
mod tests;
