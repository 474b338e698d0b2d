//! A thread with a runtime of its own for each core.
//!
//! For a service whose requests are short and wait for nobody but the network: a
//! connection stays on one thread for its whole life, and so does the connection to
//! the server behind it, so that no request wakes a second thread. With threads that
//! share their work each request through the gate cost 1.6 system calls that did only
//! that (`futex` and `write`, counted with strace). The price: what keeps one thread
//! busy keeps its other connections waiting. Whoever works for long belongs on
//! [`runtime::on_all_cores`](super::runtime::on_all_cores) alone.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use demo_base::error::Result;

/// For a name that is being looked up when the threads are to end.
const GRACE: Duration = Duration::from_secs(1);
/// Shorter than every deadline of a request: the runtime wakes itself, by a system
/// call, for each timer that ends before all that it knows of.
const TICK: Duration = Duration::from_millis(500);

/// The threads. They end when this is dropped, and what runs on them ends with them.
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
    /// Exit 1 when a thread cannot be started.
    pub fn start() -> Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let ending = CancellationToken::new();
        // Before the first thread: whoever is dropped half-way ends those that are there.
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

    /// Runs `task` on the next thread in turn.
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
            // It has panicked: the log says so already.
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
        assert_eq!(receiver.recv().await, None, "a task lives on");
    }
}
