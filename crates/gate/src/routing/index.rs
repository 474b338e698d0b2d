//! Tracks the replication index of each namespace, as the primary's answers show it.
//!
//! A read may go to a replica only if this gate knows an index that covers every write
//! whose acknowledgement it has passed on. These rules ensure that:
//!
//! - The index in an answer is recorded before the bytes that show it are passed on.
//! - After a write whose answer shows no index, the index is unknown until the answer to
//!   a request that was sent later. During such a write, all reads of the namespace go
//!   to the primary.
//! - Indexes can go back: a crashed primary comes back with a new log (seen on sqld
//!   0.24.32: 70 before SIGKILL, 48 after), and a namespace can be deleted and created
//!   again. An answer below the index that was known when its request was sent shows this.
//! - A primary that has restarted may answer before the gate notices the restart. Such an
//!   answer is not used, and everything known before is forgotten.
//! - A known index is valid for [`LEASE`]; then a read asks the primary again, because a
//!   replica continues to serve a namespace that was deleted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::classify::{Effect, Writes};
use super::primary::{RESYNC, Standing};

/// How long a known index is valid without asking the primary.
const LEASE: Duration = Duration::from_secs(5);
/// How long the reads of a namespace go to the primary after its replicas were late: at
/// first, and at most.
const LATE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// How many namespaces are remembered at a time.
const MOST: usize = 10_000;

/// All namespaces.
#[derive(Default)]
pub struct Indexes(Mutex<HashMap<String, Arc<Mutex<State>>>>);

/// One namespace.
#[derive(Clone)]
pub struct Namespace(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    known: Option<Known>,
    /// Counts how often the known index was discarded.
    epoch: u64,
    /// Running requests that may write and whose answers will show no index.
    unseen: usize,
    /// Until then, replicas may have another log.
    resyncing_until: Option<Instant>,
    late_until: Option<Instant>,
    late: u32,
}

#[derive(Clone, Copy)]
struct Known {
    index: u64,
    generation: u64,
    asked_at: Instant,
}

impl Indexes {
    /// The namespace `name`; the index of a new one is unknown.
    pub fn namespace(&self, name: &str) -> Namespace {
        let mut all = lock(&self.0);
        if let Some(found) = all.get(name) {
            return Namespace(found.clone());
        }
        if all.len() >= MOST {
            // A namespace with running requests must stay: their answers refer to it.
            all.retain(|_, state| Arc::strong_count(state) > 1);
        }
        let state = Arc::<Mutex<State>>::default();
        all.insert(name.to_owned(), state.clone());
        Namespace(state)
    }
}

impl Namespace {
    /// The index that a replica must have reached, or `None` when only the primary may
    /// answer.
    pub fn readable(&self, primary: Standing, now: Instant) -> Option<u64> {
        let state = lock(&self.0);
        let known = state.known.filter(|known| known.index > 0)?;
        let passed = |until: Option<Instant>| until.is_none_or(|until| now >= until);
        let good = match primary {
            // Nothing can have been acknowledged since. But if the last primary ran only
            // briefly, a replica may still have the log of the one before.
            Standing::Down { last, followed } => followed || known.generation < last,
            Standing::Up { generation, since } => {
                now >= since + RESYNC
                    && known.generation == generation
                    && now < known.asked_at + LEASE
                    && passed(state.late_until)
            }
        };
        (good && state.unseen == 0 && passed(state.resyncing_until)).then_some(known.index)
    }

    /// Whether to use the answer of a replica that shows indexes from `lowest` to
    /// `highest`, if `required` is the index it must have reached.
    ///
    /// While the primary is up, an index above the known one is refused: it is from a write
    /// through another gate, or from an old log.
    pub fn accepts(&self, required: u64, lowest: u64, highest: u64, primary: Standing) -> bool {
        let known = lock(&self.0).known.map_or(0, |known| known.index);
        lowest >= required && (primary.is_down() || highest <= known)
    }

    /// Notes that the replicas were late, so that the next reads go to the primary.
    pub fn late(&self, now: Instant) {
        let mut state = lock(&self.0);
        let wait = LATE.0.saturating_mul(1 << state.late.min(10)).min(LATE.1);
        state.late = state.late.saturating_add(1);
        state.late_until = Some(now + wait);
    }

    /// Notes that a replica answered in time.
    pub fn in_time(&self) {
        let mut state = lock(&self.0);
        state.late = 0;
    }

    /// Notes a request that is about to be sent to the primary. `generation` is the current
    /// generation of the primary.
    pub fn question(&self, effect: Effect, generation: u64, now: Instant) -> Question {
        let mut state = lock(&self.0);
        if effect.writes == Writes::Unseen {
            state.unseen += 1;
        }
        let known = state.known.filter(|known| known.generation == generation);
        Question {
            namespace: self.clone(),
            effect,
            generation,
            asked_at: now,
            epoch: state.epoch,
            known: known.map(|known| known.index),
            settled: false,
        }
    }
}

/// A request to the primary, whose answer may show an index. If this is dropped before
/// [`Question::settle`], the request counts as a write with an unknown outcome, if it may
/// write.
pub struct Question {
    namespace: Namespace,
    effect: Effect,
    generation: u64,
    asked_at: Instant,
    epoch: u64,
    known: Option<u64>,
    settled: bool,
}

impl Question {
    /// Notes that the answer shows `index`; 0 is an empty database.
    pub fn shows(&mut self, index: u64) {
        let mut state = lock(&self.namespace.0);
        if self.generation == 0 {
            state.forget();
            return;
        }
        let known = Known { index, generation: self.generation, asked_at: self.asked_at };
        let went_back = self.effect.fresh && self.known.is_some_and(|known| index < known);
        match state.known {
            _ if self.epoch != state.epoch => {
                // The known index was discarded meanwhile, and this one may be older.
                if let Some(newer) = state.known.as_mut()
                    && newer.generation == self.generation
                {
                    newer.index = newer.index.max(index);
                }
            }
            Some(newer) if newer.generation > self.generation => {}
            _ if went_back => {
                state.epoch += 1;
                state.known = Some(known);
                state.resyncing_until = Some(Instant::now() + RESYNC);
                self.epoch = state.epoch;
                self.known = Some(index);
            }
            Some(same) if same.generation == self.generation => {
                state.known = Some(Known {
                    index: same.index.max(index),
                    asked_at: same.asked_at.max(self.asked_at),
                    ..same
                });
            }
            _ => state.known = Some(known),
        }
    }

    /// Notes that the answer is complete. `shown` says whether it has shown the index after
    /// everything that the request wrote.
    pub fn settle(&mut self, shown: bool) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let mut state = lock(&self.namespace.0);
        let forget = match self.effect.writes {
            Writes::Nothing => false,
            Writes::Shown => !shown,
            Writes::Unseen => {
                state.unseen -= 1;
                true
            }
        };
        if forget {
            state.forget();
        }
    }

    /// Notes that there is no answer, so that no write was acknowledged.
    pub fn unanswered(mut self) {
        if !std::mem::replace(&mut self.settled, true) && self.effect.writes == Writes::Unseen {
            lock(&self.namespace.0).unseen -= 1;
        }
    }

    /// Notes that the namespace does not exist on the primary.
    pub fn absent(&mut self) {
        lock(&self.namespace.0).forget();
    }
}

impl State {
    fn forget(&mut self) {
        self.epoch += 1;
        self.known = None;
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.settle(false);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: Effect = Effect { writes: Writes::Shown, fresh: true };
    const READ: Effect = Effect { writes: Writes::Nothing, fresh: true };
    const DOWN: Standing = Standing::Down { last: 1, followed: true };

    /// A namespace whose primary has been up for a long time.
    struct Case {
        namespace: Namespace,
        now: Instant,
        primary: Standing,
    }

    impl Case {
        fn new() -> Self {
            let since = Instant::now();
            let namespace = Indexes::default().namespace("a");
            Self { namespace, now: since + RESYNC, primary: Standing::Up { generation: 1, since } }
        }

        fn ask(&self, effect: Effect) -> Question {
            self.namespace.question(effect, 1, self.now)
        }

        fn answered(&self, effect: Effect, index: u64) {
            let mut question = self.ask(effect);
            question.shows(index);
            question.settle(true);
        }

        fn readable(&self) -> Option<u64> {
            self.namespace.readable(self.primary, self.now)
        }
    }

    #[test]
    fn the_highest_index_that_was_shown_is_required() {
        let case = Case::new();
        assert_eq!(case.readable(), None);
        case.answered(WRITE, 5);
        assert_eq!(case.readable(), Some(5));
        // Two requests at the same time, whose answers arrive in the wrong order.
        let (mut slow, mut quick) = (case.ask(READ), case.ask(WRITE));
        quick.shows(7);
        slow.shows(6);
        assert_eq!(case.readable(), Some(7));
    }

    #[test]
    fn reads_of_an_empty_database_go_to_the_primary() {
        let case = Case::new();
        case.answered(READ, 0);
        assert_eq!(case.readable(), None);
    }

    #[test]
    fn after_a_write_without_an_index_only_a_later_request_shows_one() {
        let case = Case::new();
        case.answered(WRITE, 5);
        let mut before = case.ask(READ);
        let mut unseen = case.ask(Effect::UNKNOWN);
        assert_eq!(case.readable(), None, "the write is running");
        unseen.settle(true);
        assert_eq!(case.readable(), None, "the write showed no index");
        before.shows(5);
        assert_eq!(case.readable(), None, "this index may be from before the write");
        case.answered(READ, 6);
        assert_eq!(case.readable(), Some(6));
    }

    #[test]
    fn a_write_whose_answer_failed_or_was_lost_shows_no_index() {
        let case = Case::new();
        case.answered(WRITE, 5);
        let mut failed = case.ask(WRITE);
        failed.shows(6);
        failed.settle(false);
        assert_eq!(case.readable(), None);
        case.answered(READ, 7);
        drop(case.ask(WRITE));
        assert_eq!(case.readable(), None);
        case.answered(READ, 7);
        drop(case.ask(READ));
        assert_eq!(case.readable(), Some(7), "a lost read changes nothing");
    }

    #[test]
    fn an_index_that_went_back_is_used_after_the_replicas_had_time() {
        let mut case = Case::new();
        case.answered(WRITE, 70);
        let (mut one, mut two) = (case.ask(READ), case.ask(WRITE));
        two.shows(49);
        two.settle(true);
        one.shows(48);
        assert_eq!(case.readable(), None, "the replicas may have the old log");
        case.now = Instant::now() + RESYNC;
        case.answered(READ, 49);
        assert_eq!(case.readable(), Some(49), "the late answer must not lower it");
        let mut open_stream = case.ask(Effect { fresh: false, ..READ });
        open_stream.shows(3);
        assert_eq!(case.readable(), Some(49), "an open stream may have an old snapshot");
    }

    #[test]
    fn a_primary_that_was_down_is_asked_first() {
        let mut case = Case::new();
        case.answered(WRITE, 70);
        assert_eq!(case.namespace.readable(DOWN, case.now), Some(70));
        let later = case.now + LEASE;
        assert_eq!(case.namespace.readable(DOWN, later), Some(70));
        let back = Standing::Up { generation: 2, since: case.now };
        assert_eq!(case.namespace.readable(back, later), None);
        let mut question = case.namespace.question(READ, 2, later);
        question.shows(48);
        assert_eq!(case.namespace.readable(back, later), Some(48));
        let mut stale = case.ask(READ);
        stale.shows(70);
        assert_eq!(case.namespace.readable(back, later), Some(48), "70 is from before");
        case.primary = Standing::Up { generation: 2, since: later };
        assert_eq!(case.namespace.readable(case.primary, later), None, "it has just started");
    }

    #[test]
    fn an_answer_before_the_restart_is_noticed_discards_the_known_index() {
        let case = Case::new();
        case.answered(WRITE, 70);
        assert_eq!(case.namespace.readable(DOWN, case.now), Some(70));
        let mut early = case.namespace.question(WRITE, DOWN.generation(), case.now);
        early.shows(49);
        early.settle(true);
        assert_eq!(case.namespace.readable(DOWN, case.now), None, "70 is from the old log");
    }

    #[test]
    fn a_primary_that_ran_only_briefly_leaves_replicas_with_another_log() {
        let case = Case::new();
        case.answered(WRITE, 70);
        let moment = Standing::Down { last: 2, followed: false };
        assert_eq!(case.namespace.readable(moment, case.now), Some(70), "nothing was written");
        let mut question = case.namespace.question(WRITE, 2, case.now);
        question.shows(49);
        question.settle(true);
        assert_eq!(case.namespace.readable(moment, case.now), None, "an old 70 would pass as 49");
        let followed = Standing::Down { last: 2, followed: true };
        assert_eq!(case.namespace.readable(followed, case.now), Some(49));
    }

    #[test]
    fn a_known_index_expires_and_is_forgotten_with_the_namespace() {
        let mut case = Case::new();
        case.answered(WRITE, 5);
        case.now += LEASE;
        assert_eq!(case.readable(), None);
        case.answered(READ, 5);
        assert_eq!(case.readable(), Some(5));
        case.ask(READ).absent();
        assert_eq!(case.readable(), None);
    }

    #[test]
    fn answers_of_replicas_count_from_the_required_to_the_known_index() {
        let case = Case::new();
        case.answered(WRITE, 5);
        let accepts = |lowest, highest| case.namespace.accepts(5, lowest, highest, case.primary);
        assert!(accepts(5, 5));
        assert!(!accepts(4, 5), "behind");
        assert!(!accepts(5, 6), "this gate has not seen 6");
        assert!(case.namespace.accepts(5, 6, 6, DOWN));
        case.answered(WRITE, 6);
        assert!(accepts(5, 6));
    }

    #[test]
    fn late_replicas_are_skipped_for_longer_and_longer() {
        let mut case = Case::new();
        case.answered(WRITE, 5);
        case.namespace.late(case.now);
        assert_eq!(case.readable(), None);
        assert_eq!(case.namespace.readable(DOWN, case.now), Some(5));
        case.now += LATE.0;
        assert_eq!(case.readable(), Some(5));
        case.namespace.late(case.now);
        case.now += LATE.0;
        assert_eq!(case.readable(), None);
    }

    #[test]
    fn memory_is_bounded_and_namespaces_with_running_requests_are_kept() {
        let indexes = Indexes::default();
        let first = indexes.namespace("first");
        let question = first.question(Effect::UNKNOWN, 1, Instant::now());
        drop(first);
        for number in 0..=MOST {
            indexes.namespace(&number.to_string());
        }
        assert!(lock(&indexes.0).len() <= MOST);
        assert!(Arc::ptr_eq(&indexes.namespace("first").0, &question.namespace.0));
    }
}
