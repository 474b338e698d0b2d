//! Whether the primary is there, and whether it is still the same process.
//!
//! One connection to its HTTP port is kept open and never used. It ends when the
//! process ends, at once and whatever signal that was (seen on sqld 0.24.32: open for
//! as long as was waited, gone 3 ms after SIGKILL). That matters since a primary that
//! crashed comes back with another log, whose indexes mean something else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::uri::Authority;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often a primary that is away is looked for, and for how long each time.
const EVERY: Duration = Duration::from_millis(100);
const CONNECT: Duration = Duration::from_secs(1);

/// For how long replicas may still follow a log that has ended. They need about one
/// second (seen on sqld 0.24.32).
pub const RESYNC: Duration = Duration::from_secs(3);
/// The end of a primary is seen a few milliseconds after it.
const NOTICE: Duration = Duration::from_millis(250);

/// How the primary stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    Down {
        /// The generation that has ended; 0 when none was seen.
        last: u64,
        /// That one was there for so long that the replicas followed its log.
        followed: bool,
    },
    Up {
        /// Counts how often it came.
        generation: u64,
        since: Instant,
    },
}

impl Standing {
    /// Before it was ever seen.
    pub const UNSEEN: Self = Self::Down { last: 0, followed: false };

    /// 0 when it is down. What is answered all the same comes from a generation that
    /// has not been seen yet.
    pub fn generation(self) -> u64 {
        match self {
            Self::Down { .. } => 0,
            Self::Up { generation, .. } => generation,
        }
    }

    pub fn is_down(self) -> bool {
        matches!(self, Self::Down { .. })
    }

    /// The same primary, gone at `now`.
    fn gone(self, now: Instant) -> Self {
        match self {
            Self::Down { .. } => self,
            Self::Up { generation, since } => {
                Self::Down { last: generation, followed: now >= since + RESYNC }
            }
        }
    }
}

/// Watches the primary for as long as it is kept.
pub struct Watch {
    standing: watch::Receiver<Standing>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    /// Begins to watch `server`. Needs a runtime.
    pub fn start(server: Authority) -> Self {
        let (sender, standing) = watch::channel(Standing::UNSEEN);
        Self { standing, task: tokio::spawn(follow(server, Arc::new(sender))) }
    }

    pub fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// How it stands once it is seen to have gone; `None` when it is still there
    /// after [`NOTICE`].
    pub async fn gone(&self) -> Option<Standing> {
        let mut standing = self.standing.clone();
        let gone = timeout(NOTICE, standing.wait_for(|standing| standing.is_down())).await;
        gone.ok()?.ok().map(|standing| *standing)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(server: Authority, standing: Arc<watch::Sender<Standing>>) {
    let address =
        (server.host().trim_matches(['[', ']']).to_owned(), server.port_u16().unwrap_or(80));
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut generation = 0;
    loop {
        ticks.tick().await;
        let Ok(Ok(mut stream)) = timeout(CONNECT, TcpStream::connect(&address)).await else {
            continue;
        };
        generation += 1;
        standing.send_replace(Standing::Up { generation, since: Instant::now() });
        tracing::info!(generation, "the primary is there");
        // It says nothing unasked: whatever comes is the end.
        let _ended = stream.read(&mut [0; 1]).await;
        standing.send_modify(|standing| *standing = standing.gone(Instant::now()));
        tracing::warn!("the primary has gone");
    }
}
