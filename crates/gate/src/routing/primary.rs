//! Watches whether the primary is up, and whether it is still the same process.
//!
//! One connection to its HTTP port stays open and unused. It closes as soon as the process
//! ends, whatever the signal (seen on sqld 0.24.32: open for as long as the test waited,
//! closed 3 ms after SIGKILL). This matters because a primary that crashed comes back with
//! another log, whose indexes mean something else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::uri::Authority;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often to connect to a primary that is down, and how long each attempt may take.
const EVERY: Duration = Duration::from_millis(100);
const CONNECT: Duration = Duration::from_secs(1);

/// How long replicas may still have the old log after the primary restarted. They need
/// about one second (seen on sqld 0.24.32).
pub const RESYNC: Duration = Duration::from_secs(3);
/// How long to wait until the end of the primary is noticed, which takes a few milliseconds.
const NOTICE: Duration = Duration::from_millis(250);

/// The state of the primary.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    Down {
        /// The generation that has ended; 0 when none was seen.
        last: u64,
        /// Whether that generation was up long enough for the replicas to follow its log.
        followed: bool,
    },
    Up {
        /// Counts how often the primary came up.
        generation: u64,
        since: Instant,
    },
}

impl Standing {
    /// The state before the primary was first seen.
    pub const UNSEEN: Self = Self::Down { last: 0, followed: false };

    /// The current generation; 0 when the primary is down. An answer that arrives
    /// nevertheless comes from a generation that has not been noticed yet.
    pub fn generation(self) -> u64 {
        match self {
            Self::Down { .. } => 0,
            Self::Up { generation, .. } => generation,
        }
    }

    pub fn is_down(self) -> bool {
        matches!(self, Self::Down { .. })
    }

    /// The state after the primary ends at `now`.
    fn gone(self, now: Instant) -> Self {
        match self {
            Self::Down { .. } => self,
            Self::Up { generation, since } => {
                Self::Down { last: generation, followed: now >= since + RESYNC }
            }
        }
    }
}

/// Watches the primary until it is dropped.
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

    /// Waits until the primary is down and returns its state; `None` when it is still up
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
        tracing::info!(generation, "the primary is up");
        // The server sends nothing without a request, so any result is the end.
        let _ended = stream.read(&mut [0; 1]).await;
        standing.send_modify(|standing| *standing = standing.gone(Instant::now()));
        tracing::warn!("the primary is down");
    }
}
