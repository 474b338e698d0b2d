//! The processes of one project, identified by its folder, which no other project has.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// The servers that were started in `folder`: processes that run its binary or have its path on the
/// command line or in the environment, including launchers and instances of `demo auth serve`.
pub fn servers_in(folder: &Path) -> Vec<u32> {
    let needle = folder.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_server(*pid, needle)).collect()
}

fn is_server(pid: u32, needle: &str) -> bool {
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let command = String::from_utf8_lossy(&read("cmdline")).into_owned();
    let program = command.split('\0').next().unwrap_or_default();
    let ours = ["\0__exec\0", "\0auth\0serve\0"].iter().any(|words| command.contains(words));
    let server = program.contains("/sqld") || ours;
    // A zombie has no command line, so it is not counted.
    server
        && (command.contains(needle)
            || String::from_utf8_lossy(&read("environ")).contains(needle)
            || fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(needle)))
}

/// The pid in a pid file of a project, while its server holds the file.
pub fn pid_in(file: &Path) -> u32 {
    fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

/// Kills a server that belongs to the project in `folder`, and nothing else.
pub fn kill_server(folder: &Path, pid: u32) {
    assert!(servers_in(folder).contains(&pid), "{pid} is not a server of {}", folder.display());
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}
