//! The limit on open files of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For files, logs, databases and what else is no connection.
const RESERVE: u64 = 64;
/// A connection, and one to a server behind the service for its request.
const EACH: u64 = 2;
/// A service that takes fewer is of no use.
const FEWEST: usize = 8;

/// Raises the soft limit on open files to the hard one and says for how many
/// connections there is room then.
pub fn room() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let mut soft = limit.current;
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        // A system may set a bound below the hard limit: then the soft one stays.
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
