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

/// How the primary stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    Down,
    Up {
        /// Counts how often it came.
        generation: u64,
        since: Instant,
    },
}

impl Standing {
    /// 0 when it is down: no answer is of that generation.
    pub fn generation(self) -> u64 {
        match self {
            Self::Down => 0,
            Self::Up { generation, .. } => generation,
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
        let (sender, standing) = watch::channel(Standing::Down);
        Self { standing, task: tokio::spawn(follow(server, Arc::new(sender))) }
    }

    pub fn standing(&self) -> Standing {
        *self.standing.borrow()
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
        standing.send_replace(Standing::Down);
        tracing::warn!("the primary has gone");
    }
}
