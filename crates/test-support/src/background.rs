//! A program that runs in the background of a test and ends with it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};

use rustix::process::{Pid, Signal, kill_process};

use super::until_some;

/// A child of the test.
pub struct Background {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Background {
    /// Starts `command`; the test can wait for its output.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, lines, said: Vec::new() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line that contains `part` is printed on either stream.
    pub fn until_says(&mut self, part: &str) -> String {
        until_some(&format!("`{part}` is said"), || {
            self.said.extend(self.lines.try_iter());
            self.said.iter().find(|line| line.contains(part)).cloned()
        })
    }

    /// Everything that it has printed, once it has ended.
    pub fn all(&mut self) -> Vec<String> {
        // The reader ends with the streams.
        self.said.extend(self.lines.iter());
        self.said.clone()
    }

    /// Everything that it has printed so far, on both streams.
    pub fn said(&mut self) -> String {
        self.said.extend(self.lines.try_iter());
        self.said.join("\n")
    }

    /// Whether it is still running.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Closes its stdin.
    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        until_some("the program has ended", || self.child.try_wait().unwrap())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
