//! The connections of a listener: how many there may be, per address, and for how long.
//!
//! A connection is busy while it works on a request that has fully arrived. Any other
//! connection (silent, in its handshake, with a partial request, or idle) may be closed
//! to make room, so that a new connection is accepted unless all are busy. The one that
//! is closed belongs to the address with the most connections, and has been idle for
//! longest among these.

pub mod place;
pub mod stream;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use self::place::{Clock, Deadlines, Place, TICK, ticks};
use super::peer::network;
use super::seldom::Seldom;

/// The limits of a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConnectionLimits {
    /// Connections at a time. Default: 4,096, or half of the open files that the system
    /// allows if that is less.
    pub connections: usize,
    /// Connections of one client address (IPv6: /64). Default: half of `connections`.
    /// Behind a proxy, all clients have one address.
    pub per_address: usize,
    /// From the first byte to the end of a request's head, including the handshake.
    /// Default: 10 s.
    pub head: Duration,
    /// Between two requests, whatever else is sent. Default: 60 s.
    pub idle: Duration,
    /// How long a client may read nothing of an answer. Default: 60 s.
    pub unread: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4096,
            per_address: 2048,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            unread: Duration::from_secs(60),
        }
    }
}

/// The value of `limits.idle` in a configuration file.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct IdleTime(pub Duration);

impl TryFrom<String> for IdleTime {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let time = humantime::parse_duration(&text).ok().filter(|time| *time >= TICK);
        time.map(Self).ok_or("a duration is written as 500ms, 30s or 2m, and is at least 100ms")
    }
}

impl ConnectionLimits {
    /// The defaults, except for the values that a configuration file sets.
    pub fn with(
        connections: Option<NonZeroU32>,
        per_address: Option<NonZeroU32>,
        idle: Option<IdleTime>,
    ) -> Self {
        let default = Self::default();
        let number = |given: Option<NonZeroU32>| given.map(|it| it.get() as usize);
        let connections = number(connections).unwrap_or(default.connections);
        Self {
            connections,
            // Half of all, so that no address can use all of them.
            per_address: number(per_address).unwrap_or(connections.div_ceil(2)),
            idle: idle.map_or(default.idle, |idle| idle.0),
            ..default
        }
    }

    /// The same limits with at most `room` connections; a reduction is logged.
    #[must_use]
    pub fn within(self, room: usize) -> Self {
        if room >= self.connections {
            return self;
        }
        let wanted = self.connections;
        tracing::warn!(connections = room, wanted, "the limit on open files reduces connections");
        Self { connections: room, per_address: self.per_address.min(room), ..self }
    }
}

/// The connections of one listener.
#[derive(Debug)]
pub struct Table {
    most: usize,
    per_address: usize,
    deadlines: Deadlines,
    started: Instant,
    clock: Arc<Clock>,
    open: Arc<Mutex<Open>>,
    refused: Seldom,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    places: BTreeMap<u64, (IpAddr, Arc<Place>)>,
    /// How many connections each address holds.
    held: HashMap<IpAddr, Arc<AtomicUsize>>,
}

impl Table {
    /// A table without connections.
    pub fn new(limits: &ConnectionLimits) -> Self {
        Self {
            most: limits.connections.max(1),
            per_address: limits.per_address.max(1),
            deadlines: Deadlines {
                head: ticks(limits.head),
                idle: ticks(limits.idle),
                unread: ticks(limits.unread),
            },
            started: Instant::now(),
            clock: Arc::default(),
            open: Arc::default(),
            refused: Seldom::default(),
        }
    }

    /// Accepts a connection from `peer`, and pushes another one out if there is no room;
    /// `None` when all that could be pushed out are busy.
    pub fn admit(&self, peer: IpAddr) -> Option<Entry> {
        let peer = network(peer);
        let mut open = self.lock();
        let held = open.held.get(&peer).map_or(0, |held| held.load(Ordering::Relaxed));
        let room = if held >= self.per_address {
            open.push_out(Some(peer))
        } else {
            open.places.len() < self.most || open.push_out(None)
        };
        if !room {
            drop(open);
            if let Some(count) = self.refused.count() {
                tracing::warn!(count, "refused connections: all others are busy");
            }
            return None;
        }
        let number = open.next;
        open.next += 1;
        let held = open.held.entry(peer).or_default().clone();
        held.fetch_add(1, Ordering::Relaxed);
        let place = Arc::new(Place::new(number, held, self.clock.clone(), self.deadlines));
        open.places.insert(number, (peer, place.clone()));
        Some(Entry { place, open: self.open.clone() })
    }

    /// Pushes one connection out, if there is one that is not busy.
    pub fn make_room(&self) {
        self.lock().push_out(None);
    }

    /// Closes connections that are past their deadline. Call it once per [`TICK`].
    pub fn sweep(&self) {
        self.clock.set(ticks(self.started.elapsed().max(TICK)));
        for (_, place) in self.lock().places.values() {
            place.look();
        }
    }

    /// Closes all connections after their running requests.
    pub fn finish_all(&self) {
        for (_, place) in self.lock().places.values() {
            place.finish();
        }
    }

    /// Closes all connections at once.
    pub fn cut_all(&self) {
        for (_, place) in self.lock().places.values() {
            place.cut();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Pushes one connection out, of `peer` if that is given. Returns whether it could.
    fn push_out(&mut self, peer: Option<IpAddr>) -> bool {
        let victim = |(number, (of, place)): (&u64, &(IpAddr, Arc<Place>))| {
            if peer.is_some_and(|peer| peer != *of) {
                return None;
            }
            let rank = (usize::MAX - place.held.load(Ordering::Relaxed), place.idle_since()?);
            Some((rank, *number))
        };
        // The chosen connection may have become busy meanwhile; then try the next one.
        while let Some((_, number)) = self.places.iter().filter_map(victim).min() {
            let pushed = self.places.get(&number).is_some_and(|(_, place)| place.push_out());
            if pushed {
                // It no longer counts, although its task has not ended yet.
                self.remove(number);
                return true;
            }
        }
        false
    }

    fn remove(&mut self, number: u64) {
        let Some((peer, place)) = self.places.remove(&number) else { return };
        if place.held.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.held.remove(&peer);
        }
    }
}

/// A connection's entry in the table, which is removed when this is dropped.
#[derive(Debug)]
pub struct Entry {
    place: Arc<Place>,
    open: Arc<Mutex<Open>>,
}

impl Entry {
    pub fn place(&self) -> &Arc<Place> {
        &self.place
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(self.place.number);
    }
}

#[cfg(test)]
mod tests;
