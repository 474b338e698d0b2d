//! One thread per core, each with its own runtime.
//!
//! This is for a service whose requests are short and wait only for the network: a
//! connection stays on one thread, and so does the connection to the server behind it,
//! so that no request wakes a second thread. With threads that share their work, each
//! request through the gate cost 1.6 system calls that did only that (`futex` and `write`,
//! counted with strace). In return, work that keeps one thread busy blocks the other
//! connections of that thread. A service with longer work should use only
//! [`runtime::on_all_cores`](super::runtime::on_all_cores).

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use demo_base::error::Result;

/// How long a blocking name lookup may delay the end of a thread.
const GRACE: Duration = Duration::from_secs(1);
/// Shorter than every deadline of a request: the runtime wakes itself, with a system
/// call, for each new timer that is due before all existing ones.
const TICK: Duration = Duration::from_millis(500);

/// The threads. When this is dropped, they end, and so do the tasks on them.
pub struct Cores {
    handles: Vec<Handle>,
    threads: Vec<JoinHandle<()>>,
    turn: AtomicUsize,
    ending: CancellationToken,
}

impl Cores {
    /// One thread for each core that this process may use.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start() -> Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let ending = CancellationToken::new();
        // Created before the first thread: if starting one fails, the drop ends the others.
        let (handles, threads) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut cores = Self { handles, threads, turn: AtomicUsize::new(0), ending };
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            cores.handles.push(runtime.handle().clone());
            let ending = cores.ending.clone();
            let thread = std::thread::Builder::new().name(format!("core-{number}"));
            cores.threads.push(thread.spawn(move || run(runtime, &ending))?);
        }
        Ok(cores)
    }

    /// Runs `task` on the next thread; the threads take turns.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.handles[turn % self.handles.len()].spawn(task);
    }
}

fn run(runtime: Runtime, ending: &CancellationToken) {
    runtime.block_on(async {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while ending.run_until_cancelled(ticks.tick()).await.is_some() {}
    });
    runtime.shutdown_timeout(GRACE);
}

impl Drop for Cores {
    fn drop(&mut self) {
        self.ending.cancel();
        for thread in self.threads.drain(..) {
            // An error means that the thread has panicked, which is already in the log.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn tasks_take_turns_and_end_with_the_threads() {
        let cores = Cores::start().unwrap();
        let count = cores.handles.len();
        let (sender, mut receiver) = mpsc::unbounded_channel();
        for _ in 0..2 * count {
            let sender = sender.clone();
            cores.spawn(async move {
                sender.send(std::thread::current().name().unwrap().to_owned()).unwrap();
                std::future::pending::<()>().await;
            });
        }
        drop(sender);
        let mut names = Vec::new();
        for _ in 0..2 * count {
            names.push(receiver.recv().await.unwrap());
        }
        for number in 0..count {
            let name = format!("core-{number}");
            assert_eq!(names.iter().filter(|it| **it == name).count(), 2, "{names:?}");
        }
        drop(cores);
        assert_eq!(receiver.recv().await, None, "a task still runs");
    }
}
