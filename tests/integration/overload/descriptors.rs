//! When the process may open no more files.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use super::silent::silent;
use super::{ALL, Kind, Service, keys_only};
use demo_test_support::{Project, until};

/// For how long the processor time is counted.
const WATCHED: Duration = Duration::from_secs(5);

/// The service with `ulimit WORDS` before it.
fn limited(kind: Kind, project: &Project, words: &str) -> Service {
    let file = kind.configure(project, "listen: 127.0.0.1:0\n");
    let mut command = Command::new("sh");
    project.furnish(&mut command);
    let script = format!("ulimit {words}; exec \"$@\"");
    let demo = env!("CARGO_BIN_EXE_demo");
    command.args(["-c", &script, "sh", demo, kind.command(), "serve", "-c", &file]);
    kind.started(project, command, false)
}

/// Processor time of a process so far, user and system.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // After the name, which may have spaces in it.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // A hundred a second on every Linux.
    Duration::from_millis(ticks * 10)
}

#[test]
fn h4_exhausted_descriptors_cost_no_time_and_no_log() {
    let project = keys_only();
    for kind in ALL {
        let mut service = limited(kind, &project, "-n 256");
        let said = service.process.said().lines().count();
        let held = silent(&service.address, 360, b"");
        service.serves_promptly("360 silent sockets on 256 open files");
        let (before, since) = (processor_time(service.process.id()), Instant::now());
        until("some seconds have passed", || since.elapsed() > WATCHED);
        let used = processor_time(service.process.id()).saturating_sub(before);
        assert!(used < since.elapsed() / 20, "{kind:?} used {used:?}");
        let lines = service.process.said().lines().count() - said;
        assert!(lines < 10, "{}", service.process.said());
        drop(held);
    }
}

#[test]
fn h4_the_soft_limit_on_open_files_is_raised_at_the_start() {
    let project = keys_only();
    for kind in ALL {
        let service = limited(kind, &project, "-Sn 64");
        let path = format!("/proc/{}/limits", service.process.id());
        let limits = fs::read_to_string(path).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[3], words[4], "{line}");
        let held = silent(&service.address, 100, b"");
        service.serves_promptly("there are more sockets than the soft limit was");
        drop(held);
    }
}
