//! Which connections a listener holds: how many, of whom, and for how long.
//!
//! A connection that works for a request that has arrived whole is busy. Every
//! other one (silent, in its handshake, half a request, idle) may be pushed out, so
//! that a new connection is always taken while not all are busy. It is pushed out of
//! the address that holds the most, the one that has been idle for longest first.

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

/// What a listener allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConnectionLimits {
    /// Connections at a time: 4,096, or half of the open files that the system allows
    /// where that is less.
    pub connections: usize,
    /// Of one client address (IPv6: /64): half of `connections`. Behind a proxy all
    /// clients have one address.
    pub per_address: usize,
    /// From the first byte to the end of a request's head, handshake included: 10 s.
    pub head: Duration,
    /// Between two requests, whatever else is sent: 60 s.
    pub idle: Duration,
    /// For a client that reads none of an answer: 60 s.
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
        time.map(Self).ok_or("a time is 500ms, 30s or 2m, and not below 100ms")
    }
}

impl ConnectionLimits {
    /// The defaults, except for what a configuration file sets.
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
            // Half of all, so that no address takes all of them.
            per_address: number(per_address).unwrap_or(connections.div_ceil(2)),
            idle: idle.map_or(default.idle, |idle| idle.0),
            ..default
        }
    }

    /// The same with no more than `room` connections, which the log says.
    #[must_use]
    pub fn within(self, room: usize) -> Self {
        if room >= self.connections {
            return self;
        }
        let wanted = self.connections;
        tracing::warn!(connections = room, wanted, "the limit on open files allows no more");
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
    /// Nobody is connected.
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

    /// Takes a connection from `peer`, and pushes another one out where there is no
    /// room; `None` when all of those are busy.
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
                tracing::warn!(count, "connections were refused: all others are busy");
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

    /// Pushes one connection out, if one is not busy.
    pub fn make_room(&self) {
        self.lock().push_out(None);
    }

    /// Ends what is past its deadline. To be called once each [`TICK`].
    pub fn sweep(&self) {
        self.clock.set(ticks(self.started.elapsed().max(TICK)));
        for (_, place) in self.lock().places.values() {
            place.look();
        }
    }

    /// Has all connections end after the requests under way.
    pub fn finish_all(&self) {
        for (_, place) in self.lock().places.values() {
            place.finish();
        }
    }

    /// Ends all connections at once.
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
    /// Whether one could be pushed out, of `peer` where that is given.
    fn push_out(&mut self, peer: Option<IpAddr>) -> bool {
        let victim = |(number, (of, place)): (&u64, &(IpAddr, Arc<Place>))| {
            if peer.is_some_and(|peer| peer != *of) {
                return None;
            }
            let rank = (usize::MAX - place.held.load(Ordering::Relaxed), place.idle_since()?);
            Some((rank, *number))
        };
        // A request may begin between the look and the push.
        while let Some((_, number)) = self.places.iter().filter_map(victim).min() {
            let pushed = self.places.get(&number).is_some_and(|(_, place)| place.push_out());
            if pushed {
                // It counts no more, though its task has not ended yet.
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

/// A connection's entry in the table; it leaves when this is dropped.
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
