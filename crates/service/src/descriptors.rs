//! This process's limit on open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything but connections: files, logs, databases.
const RESERVE: u64 = 64;
/// Descriptors per client: its connection, and one to the upstream server for its request.
const EACH: u64 = 2;
/// The lowest number of connections with which a service is useful.
const FEWEST: usize = 8;

/// Raises the soft limit on open files to the hard limit, and returns how many
/// connections that allows.
pub fn room() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let mut soft = limit.current;
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        // Raising fails on a system whose bound is below the hard limit.
        if setrlimit(Resource::Nofile, raised).is_ok() {
            soft = limit.maximum;
        }
    }
    soft.map_or(usize::MAX, connections)
}

fn connections(files: u64) -> usize {
    usize::try_from(files.saturating_sub(RESERVE) / EACH).unwrap_or(usize::MAX).max(FEWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h4_the_soft_limit_becomes_the_hard_one_and_leaves_room() {
        let hard = getrlimit(Resource::Nofile).maximum;
        assert_eq!(room(), hard.map_or(usize::MAX, connections));
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
        assert_eq!([connections(0), connections(256), connections(1024)], [8, 96, 480]);
    }
}
