//! Reads and follows the log file of a server.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, LocalBoxStream};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::engine::Error;
use demo_base::error::Result;

/// The interval between two checks of a followed log, since nothing announces that a file has
/// grown.
const LOOK: Duration = Duration::from_millis(100);

/// The last `tail` lines of the file, or all of it; empty when the file does not exist.
///
/// # Errors
/// [`Error::NoAccess`] when it cannot be read.
pub fn read(path: &Path, tail: Option<usize>) -> Result<String, Error> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?,
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => return Err(unreadable(path, error)),
    };
    let text = String::from_utf8_lossy(&bytes);
    let Some(tail) = tail else {
        return Ok(text.into_owned());
    };
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(tail)..].join("\n"))
}

/// The lines that are added to the file from now on.
pub fn follow(path: PathBuf) -> LocalBoxStream<'static, Result<String>> {
    let offset = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let follower = Follower { path, offset, rest: Vec::new(), ticks };
    stream::unfold(follower, |mut follower| async move {
        let lines = follower.next_lines().await;
        Some((stream::iter(lines), follower))
    })
    .flatten()
    .boxed_local()
}

struct Follower {
    path: PathBuf,
    offset: u64,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
    ticks: Interval,
}

impl Follower {
    async fn next_lines(&mut self) -> Vec<Result<String>> {
        self.ticks.tick().await;
        match self.read_added() {
            Ok(added) => self.rest.extend(added),
            Err(error) => return vec![Err(unreadable(&self.path, error).into())],
        }
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        let text = String::from_utf8_lossy(&whole).into_owned();
        text.lines().map(|line| Ok(line.to_owned())).collect()
    }

    fn read_added(&mut self) -> std::io::Result<Vec<u8>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened?,
        };
        if file.metadata()?.len() < self.offset {
            // The file was truncated or replaced, so start from its beginning.
            self.offset = 0;
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut added = Vec::new();
        self.offset += file.read_to_end(&mut added)? as u64;
        Ok(added)
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::NoAccess { operation: format!("read the log {}", path.display()), source }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_tail_is_whole_lines() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"one\ntwo\nthree").unwrap();
        assert_eq!(read(file.path(), Some(2)).unwrap(), "two\nthree");
        assert_eq!(read(file.path(), Some(9)).unwrap(), "one\ntwo\nthree");
        assert_eq!(read(Path::new("/nowhere/x.log"), None).unwrap(), "");
    }

    #[tokio::test]
    async fn following_gives_whole_lines_only_and_survives_truncation() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"old\n").unwrap();
        let mut lines = follow(file.path().to_path_buf());
        file.write_all(b"new\nhal").unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap(), "new");
        file.write_all(b"f\n").unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap(), "half");
        file.as_file().set_len(0).unwrap();
        file.rewind().unwrap();
        file.write_all(b"a\n").unwrap();
        assert_eq!(lines.next().await.unwrap().unwrap(), "a");
    }
}
