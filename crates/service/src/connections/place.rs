//! The state of one connection in the table. It is held in atomics that the connection's
//! own thread writes, so that a request needs no lock.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::task::Poll;
use std::time::Duration;

use futures::task::AtomicWaker;

/// The resolution of deadlines, and how often they are checked.
pub const TICK: Duration = Duration::from_millis(100);
/// How many bytes a client may send before its first request: a handshake and a head.
const BEFORE_FIRST: u32 = 128 * 1024;
/// The same between two requests. This is more than the rest of an aborted body that may
/// still arrive (1 MiB over HTTP/2), but a flood of control frames soon exceeds it.
const BETWEEN: u32 = 2 * 1024 * 1024;
/// How many ticks a connection may take to finish after it was told to.
const LINGER: u32 = 20;
/// A client that has read nothing for this many ticks may be pushed out.
const STALLED: u32 = 50;

// The state has three counters and a flag in one word, so that they change together.

/// Requests whose answer has not ended.
const WORKING: u64 = 1;
/// Request bodies that have not fully arrived.
const RECEIVING: u64 = 1 << 21;
/// Answers that wait until the client reads.
const WAITING: u64 = 1 << 42;
const FIELD: u64 = (1 << 21) - 1;
/// The connection must close at once, and no new request may begin.
const CUT: u64 = 1 << 63;

fn field(state: u64, unit: u64) -> u64 {
    (state / unit) & FIELD
}

/// The time in [`TICK`]s since the listener was opened, which is cheap to read.
#[derive(Debug, Default)]
pub struct Clock(AtomicU32);

impl Clock {
    pub fn now(&self) -> u32 {
        self.0.load(Relaxed)
    }

    pub fn set(&self, now: u32) {
        self.0.store(now, Relaxed);
    }
}

/// `time` in ticks, at least one.
pub fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX / 2).max(1)
}

/// Deadlines in ticks.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// From the first byte of a request to the end of its head. For the first request, it
    /// includes the wait for the first byte and the handshake.
    pub head: u32,
    /// Between two requests.
    pub idle: u32,
    /// How long a client may read nothing of an answer.
    pub unread: u32,
}

/// An order to the task of a connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Order {
    /// Continue.
    Serve = 0,
    /// Accept no more requests, and close.
    Finish = 1,
    /// Close at once.
    Cut = 2,
}

/// One connection.
#[derive(Debug)]
pub struct Place {
    pub number: u64,
    /// How many connections its address holds; all of these share the counter.
    pub held: Arc<AtomicUsize>,
    clock: Arc<Clock>,
    deadlines: Deadlines,
    state: AtomicU64,
    /// Since when it has been idle.
    since: AtomicU32,
    /// When the next request must have begun, unless one is running.
    deadline: AtomicU32,
    /// When a client with a waiting answer last read.
    progress: AtomicU32,
    /// How many bytes arrived while no request was running.
    read: AtomicU32,
    /// There has been no request yet.
    fresh: AtomicBool,
    /// It is between two requests of HTTP/1, so the next byte begins a head.
    between: AtomicBool,
    order: AtomicU8,
    waker: AtomicWaker,
}

impl Place {
    pub fn new(
        number: u64,
        held: Arc<AtomicUsize>,
        clock: Arc<Clock>,
        deadlines: Deadlines,
    ) -> Self {
        let now = clock.now();
        Self {
            number,
            held,
            clock,
            deadlines,
            state: AtomicU64::new(0),
            since: AtomicU32::new(now),
            deadline: AtomicU32::new(now.saturating_add(deadlines.head)),
            progress: AtomicU32::new(now),
            read: AtomicU32::new(0),
            fresh: AtomicBool::new(true),
            between: AtomicBool::new(false),
            order: AtomicU8::new(Order::Serve as u8),
            waker: AtomicWaker::new(),
        }
    }

    /// Since when it has been idle, in ticks; `None` while it is busy with a request that
    /// has fully arrived and whose client reads the answer.
    pub fn idle_since(&self) -> Option<u32> {
        self.pushable(self.state.load(Relaxed)).then(|| self.since.load(Relaxed))
    }

    /// Whether each of its requests is still arriving, or waits for the client to read.
    fn pushable(&self, state: u64) -> bool {
        let waited = self.clock.now().saturating_sub(self.progress.load(Relaxed));
        let stalled = if waited >= STALLED { field(state, WAITING) } else { 0 };
        state & CUT == 0 && field(state, WORKING) <= field(state, RECEIVING) + stalled
    }

    /// Closes it unless it is busy. Returns whether it was closed.
    pub fn push_out(&self) -> bool {
        let cut = |state| self.pushable(state).then_some(state | CUT);
        let cut = self.state.fetch_update(AcqRel, Acquire, cut).is_ok();
        if cut {
            self.tell(Order::Cut);
        }
        cut
    }

    /// Closes it at once, even if it is busy.
    pub fn cut(&self) {
        self.state.fetch_or(CUT, AcqRel);
        self.tell(Order::Cut);
    }

    /// Closes it after its running requests, or within [`LINGER`] if there are none.
    pub fn finish(&self) {
        if self.fresh.load(Relaxed) && self.push_out() {
            return;
        }
        self.deadline.store(self.clock.now().saturating_add(LINGER), Relaxed);
        self.tell(Order::Finish);
    }

    /// Checks the deadlines.
    pub fn look(&self) {
        let (state, now) = (self.state.load(Acquire), self.clock.now());
        if field(state, WAITING) > 0 {
            let progress = self.progress.load(Relaxed);
            if now.saturating_sub(progress) >= self.deadlines.unread {
                self.cut();
            }
        } else if idle(state) && now >= self.deadline.load(Relaxed) {
            if self.order.load(Relaxed) == Order::Serve as u8 {
                self.finish();
            } else {
                self.push_out();
            }
        }
    }

    fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, Release);
        self.waker.wake();
    }

    /// Waits for an order after `known`. Only the task of the connection may wait here.
    pub async fn told(&self, known: Order) -> Order {
        poll_fn(|context| {
            self.waker.register(context.waker());
            match self.order.load(Acquire) {
                order if order <= known as u8 => Poll::Pending,
                1 => Poll::Ready(Order::Finish),
                _ => Poll::Ready(Order::Cut),
            }
        })
        .await
    }

    /// Notes that the client has sent `count` bytes, which may be part of a handshake or a
    /// frame.
    pub fn has_read(&self, count: usize) {
        if !idle(self.state.load(Relaxed)) {
            return;
        }
        if self.between.load(Relaxed) {
            self.between.store(false, Relaxed);
            let head = self.clock.now().saturating_add(self.deadlines.head);
            self.deadline.fetch_min(head, Relaxed);
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let read = self.read.load(Relaxed).saturating_add(count);
        self.read.store(read, Relaxed);
        let most = if self.fresh.load(Relaxed) { BEFORE_FIRST } else { BETWEEN };
        if read > most {
            self.push_out();
        }
    }

    /// Notes that the head of a request has arrived; with `body`, its body follows.
    /// `None` when the connection is closing, so that the request must not run.
    pub fn begin(self: &Arc<Self>, body: bool, http2: bool) -> Option<Turn> {
        let units = if body { WORKING + RECEIVING } else { WORKING };
        if self.state.fetch_add(units, AcqRel) & CUT != 0 {
            return None;
        }
        self.fresh.store(false, Relaxed);
        self.between.store(false, Relaxed);
        Some(Turn { place: self.clone(), http2, waits: false, kept: false })
    }

    /// Notes that a body has fully arrived, or that the rest is not needed.
    pub fn received(&self, http2: bool) {
        self.give_back(RECEIVING, http2);
    }

    fn give_back(&self, units: u64, http2: bool) {
        if idle(self.state.fetch_sub(units, AcqRel) - units) {
            let now = self.clock.now();
            self.since.store(now, Relaxed);
            self.read.store(0, Relaxed);
            self.between.store(!http2, Relaxed);
            self.deadline.store(now.saturating_add(self.deadlines.idle), Relaxed);
        }
    }
}

fn idle(state: u64) -> bool {
    field(state, WORKING) == 0 && field(state, RECEIVING) == 0
}

/// A request, from its head to the end of its answer.
#[derive(Debug)]
pub struct Turn {
    place: Arc<Place>,
    http2: bool,
    waits: bool,
    kept: bool,
}

impl Turn {
    /// The connection was upgraded, and counts as busy until it ends.
    pub fn keep(mut self) {
        self.kept = true;
    }

    /// Notes whether the answer waits for the client to read.
    pub fn waits_for_client(&mut self, waits: bool) {
        if waits {
            self.place.progress.store(self.place.clock.now(), Relaxed);
        }
        if waits == self.waits {
            return;
        }
        self.waits = waits;
        if waits {
            self.place.state.fetch_add(WAITING, AcqRel);
        } else {
            self.place.state.fetch_sub(WAITING, AcqRel);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.kept {
            let units = if self.waits { WORKING + WAITING } else { WORKING };
            self.place.give_back(units, self.http2);
        }
    }
}
